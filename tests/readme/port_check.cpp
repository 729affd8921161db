// SPDX-License-Identifier: BSL-1.0
#include "my_port.hpp"

#include "port_check.inc"

int main() {}
