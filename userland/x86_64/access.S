/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userland/x86_64/access.S - the two places where a host signal may change what code does next:
 * copies from and to guest memory, which a fault turns into "false", and the system call that a
 * signal for the guest must not slip past.  Signal handlers find them by address.
 */
        .text

/* bool host_copy(void *dst, const void *src, size_t n) */
        .globl  host_copy
        .type   host_copy, @function
host_copy:
        .globl  host_access_begin
host_access_begin:
        cmp     $8, %rdx
        je      1f
        cmp     $4, %rdx
        je      2f
        mov     %rdx, %rcx
        rep     movsb
        mov     $1, %eax
        ret
1:      mov     (%rsi), %rax
        mov     %rax, (%rdi)
        mov     $1, %eax
        ret
2:      mov     (%rsi), %eax
        mov     %eax, (%rdi)
        mov     $1, %eax
        ret
        .size   host_copy, . - host_copy

/* bool host_zero(void *dst, size_t n) */
        .globl  host_zero
        .type   host_zero, @function
host_zero:
        mov     %rsi, %rcx
        xor     %eax, %eax
        rep     stosb
        mov     $1, %eax
        ret
        .size   host_zero, . - host_zero

/* bool host_strnlen(const char *s, size_t max, size_t *len): *len is max when there is no NUL */
        .globl  host_strnlen
        .type   host_strnlen, @function
host_strnlen:
        xor     %ecx, %ecx
1:      cmp     %rsi, %rcx
        jae     2f
        cmpb    $0, (%rdi, %rcx)
        je      2f
        inc     %rcx
        jmp     1b
2:      mov     %rcx, (%rdx)
        mov     $1, %eax
        ret
        .size   host_strnlen, . - host_strnlen

/* bool host_cas_u32(uint32_t *p, uint32_t expected, uint32_t desired, uint32_t *old) */
        .globl  host_cas_u32
        .type   host_cas_u32, @function
host_cas_u32:
        mov     %esi, %eax
        lock cmpxchg %edx, (%rdi)
        mov     %eax, (%rcx)
        mov     $1, %eax
        ret
        .size   host_cas_u32, . - host_cas_u32
        .globl  host_access_end
host_access_end:

/* Where a fault between host_access_begin and host_access_end goes on. */
        .globl  host_access_failed
        .type   host_access_failed, @function
host_access_failed:
        xor     %eax, %eax
        ret
        .size   host_access_failed, . - host_access_failed

/* int64_t host_call(long nr, a, b, c, d, e, f) */
        .globl  host_call
        .type   host_call, @function
host_call:
        mov     %rdi, %rax
        mov     %rsi, %rdi
        mov     %rdx, %rsi
        mov     %rcx, %rdx
        mov     %r8, %r10
        mov     %r9, %r8
        mov     8(%rsp), %r9
        syscall
        ret
        .size   host_call, . - host_call

/*
 * int64_t host_call_unless(const uint32_t *pending, long nr, const uint64_t args[6])
 *
 * Does the call unless *pending; then -ERESTARTNOINTR.  A signal handler that sees the host pc in
 * [host_call_window, host_call_done) sets *pending and moves the pc to host_call_window: so
 * either the flag is seen, or the call has been entered and the kernel interrupts it.
 */
        .globl  host_call_unless
        .type   host_call_unless, @function
host_call_unless:
        .cfi_startproc
        push    %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        push    %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        mov     %rdi, %rbx
        mov     %rsi, %r12
        mov     %rdx, %rax
        mov     (%rax), %rdi
        mov     8(%rax), %rsi
        mov     16(%rax), %rdx
        mov     24(%rax), %r10
        mov     32(%rax), %r8
        mov     40(%rax), %r9
        .globl  host_call_window
host_call_window:
        mov     %r12, %rax
        cmpl    $0, (%rbx)
        jne     1f
        syscall
        .globl  host_call_done
host_call_done:
        pop     %r12
        .cfi_remember_state
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        pop     %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        ret
1:      .cfi_restore_state
        mov     $-513, %rax
        jmp     host_call_done
        .cfi_endproc
        .size   host_call_unless, . - host_call_unless

/* The return path of Ketch's own signal handlers (SA_RESTORER). */
        .globl  host_sigreturn
        .type   host_sigreturn, @function
host_sigreturn:
        mov     $15, %eax
        syscall
        .size   host_sigreturn, . - host_sigreturn

        .section .note.GNU-stack, "", @progbits
