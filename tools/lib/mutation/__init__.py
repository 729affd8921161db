# SPDX-License-Identifier: BSL-1.0
"""Damages by a machine: what tools/mutate --random draws from, how it tries a damage, and what it keeps of it."""
