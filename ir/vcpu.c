/* SPDX-License-Identifier: Apache-2.0 */
#include "ir/vcpu.h"

void vcpu_raise(Vcpu *vcpu, IrTrap trap, uint64_t arg)
{
    vcpu->exit_trap = trap;
    vcpu->exit_arg = arg;
    siglongjmp(*vcpu->raise, 1);
}
