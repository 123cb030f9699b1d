// SPDX-License-Identifier: Apache-2.0
// The keeper's parts, built and joined.
#pragma once
namespace vmline::keeper {
/// `vmline-keeper --root ROOT --run RUN NAME`; returns the exit code, or does not return.
int keeper_main(int argc, char** argv);
}  // namespace vmline::keeper
