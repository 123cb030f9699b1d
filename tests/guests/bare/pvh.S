/* SPDX-License-Identifier: Apache-2.0
 * How a monitor enters the guest (a PVH note, XEN_ELFNOTE_PHYS32_ENTRY: 32-bit protected mode, no paging, ebx = start info), and how
 * an interrupt does. A handler must not use iret: some paravirtual KVMs cannot emulate it here. `ret $8` drops cs and eflags,
 * and so comes back with interrupts off, which is what the one place that lets them in wants. */
  .section .note.pvh, "a", @note
  .align 4
  .long 4, 8, 18          /* name size, descriptor size (readers of ELF64 take eight bytes), type */
  .asciz "Xen"
  .long pvh_entry, 0

  .section .text.entry, "ax"
  .globl pvh_entry
pvh_entry:
  cli
  cld
  mov $stack_top, %esp
  mov $bss_begin, %edi    /* after a reset memory is as we left it */
  mov $bss_end, %ecx
  sub %edi, %ecx
  xor %eax, %eax
  rep stosb
  lgdt gdt_pointer
  ljmp $8, $1f
1:mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  push %ebx
  call guest
0:cli
  hlt
  jmp 0b

  .globl wake_entry, event_entry
wake_entry:
  pushal
  call wake
  popal
  ret $8
event_entry:
  pushal
  call event
  popal
  ret $8

  .section .rodata
  .align 8
gdt:
  .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt

  .section .bss
  .align 16
  .skip 16384
stack_top:
  .section .note.GNU-stack, "", @progbits
