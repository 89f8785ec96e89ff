# Completion of beepy for bash 4.4 or newer; bash-completion is not needed.

_beepy() {
    local line=${COMP_LINE:0:COMP_POINT} word broken="" answer
    local -a answers
    mapfile -t answers < <(command beepy __complete line "$line" 2>/dev/null)
    COMPREPLY=()
    case ${answers[0]} in
        :files) compopt -o default; return ;;
        :dirs) compopt -o dirnames; return ;;
    esac
    # Outside quotes readline completes only what follows the last break, such as ':' or '=', and
    # an answer is the whole word: what stands before is removed from it.
    word=${line##*[[:space:]]}
    if [[ $word != *[\"\']* ]]; then
        broken=${word%"${word##*[$COMP_WORDBREAKS]}"}
        broken=${broken%@} # readline completes from a '@' on, as for hosts
    fi
    for answer in "${answers[@]}"; do
        answer=${answer%%$'\t'*}
        COMPREPLY+=("${answer#"$broken"}")
    done
}

complete -F _beepy beepy
