# bash completion for gatherd(8)

_gatherd()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local other used=""
    COMPREPLY=()

    # "--config=x" arrives as three words where "=" breaks words.
    if [[ $word == "=" ]]; then
        before="=" word=""
    fi
    if [[ $before == "=" && ${COMP_WORDS[COMP_CWORD - 2]} != --config &&
          ${COMP_WORDS[COMP_CWORD - 1]} != --config ]]; then
        return
    fi
    case $before in
    -c | --config | "=")
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word"; compgen -f -X '!*.yaml' -- "$word")
        return
        ;;
    esac

    local actions="--check-config --print-config --print-schema --print-reference --print-man
        --version --help -V -h"
    for other in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case " ${actions//[[:space:]]/ } " in
        *" $other "*) used=yes ;;
        esac
    done
    # Of the options that check or print, only one may be given.
    [[ $used ]] && actions=""
    mapfile -t COMPREPLY < <(compgen -W "$actions -c --config" -- "$word")
}
complete -F _gatherd gatherd
