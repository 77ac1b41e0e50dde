// SPDX-License-Identifier: GPL-2.0-or-later
// Empty on purpose: CPosix is its header. A C target needs one translation unit.
#include "cposix.h"
