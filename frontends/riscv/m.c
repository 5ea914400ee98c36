/* SPDX-License-Identifier: Apache-2.0 */
/* M (RISC-V unprivileged spec, "M" Extension for Integer Multiplication and Division). */
#include "frontends/riscv/forms.h"

REG_REG(mul, mul)
REG_REG(mulh, mulhs)
REG_REG(mulhsu, mulhsu)
REG_REG(mulhu, mulhu)
REG_REG(div, div)
REG_REG(divu, divu)
REG_REG(rem, rem)
REG_REG(remu, remu)
REG_REG_W(mulw, mul)
REG_REG_W(divw, div)
REG_REG_W(divuw, divu)
REG_REG_W(remw, rem)
REG_REG_W(remuw, remu)
