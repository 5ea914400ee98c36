# SPDX-License-Identifier: Apache-2.0
# Completion of ketch and ketch-riscv64 for bash; the options come from the program itself.
_ketch()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local program=${COMP_WORDS[0]##*/} command=${COMP_WORDS[1]}

    case $program in
    *riscv64*) command=run ;;
    *)
        if [ "$COMP_CWORD" = 1 ]; then
            COMPREPLY=($(compgen -W "run vm monitor image explain trace binfmt version help" -- "$current"))
            return
        fi
        ;;
    esac
    case $command:$previous in
    binfmt:*) COMPREPLY=($(compgen -W "install remove status" -- "$current")) ;;
    image:image) COMPREPLY=($(compgen -W "create info check convert snapshot resize compare map" -- "$current")) ;;
    image:-f | image:-F | image:-O) COMPREPLY=($(compgen -W "raw qcow2" -- "$current")) ;;
    image:*) COMPREPLY=($(compgen -f -- "$current")) ;;
    trace:trace) COMPREPLY=($(compgen -W "cat stat" -- "$current")) ;;
    help:help) COMPREPLY=($(compgen -W "run vm monitor image explain trace binfmt version" -- "$current")) ;;
    explain:explain) COMPREPLY=($(compgen -W "riscv64" -- "$current")) ;;
    run:-L) COMPREPLY=($(compgen -d -- "$current")) ;;
    run:--tier) COMPREPLY=($(compgen -W "interp jit" -- "$current")) ;;
    run:-d) COMPREPLY=($(compgen -W "$(ketch run -d help 2>/dev/null | cut -d' ' -f1)" -- "$current")) ;;
    vm:-M | vm:-machine) COMPREPLY=($(compgen -W "virt" -- "$current")) ;;
    vm:--tier) COMPREPLY=($(compgen -W "interp jit" -- "$current")) ;;
    vm:--mmu) COMPREPLY=($(compgen -W "flat tlb" -- "$current")) ;;
    vm:-device) COMPREPLY=($(compgen -W "loader $(ketch vm -device help 2>/dev/null |
        sed -n 's/^\([^ ]*\):.*/\1/p')" -- "$current")) ;;
    run:* | vm:*)
        if [[ $current == -* ]]; then
            COMPREPLY=($(compgen -W "$(ketch "$command" --help 2>/dev/null |
                sed -n 's/^  \(-[^ []*\).*/\1/p')" -- "$current"))
        else
            COMPREPLY=($(compgen -f -- "$current"))
        fi
        ;;
    esac
}
complete -o filenames -F _ketch ketch ketch-riscv64
