// SPDX-License-Identifier: BSL-1.0
// The program that compiles the precompiled header; there is nothing else to it.
