// SPDX-License-Identifier: Apache-2.0
// vmline-keeper: keeps one VM's lines and drives its monitor. Started by its holder, with the pair between them as descriptor 3.
#include "keeper/main.hpp"

int main(int argc, char** argv) { return vmline::keeper::keeper_main(argc, argv); }
