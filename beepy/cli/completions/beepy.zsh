#compdef beepy
# Completion of beepy for zsh; compinit must have run.

_beepy() {
    local answer word
    local -a answers described
    answers=("${(@f)$(command beepy __complete words "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" \
        2>/dev/null)}")
    case ${answers[1]} in
        :files) compset -P '-*='; _files; return ;;
        :dirs) compset -P '-*='; _files -/; return ;;
        '') return 1 ;;
    esac
    for answer in "${answers[@]}"; do
        # _describe separates the description by a colon
        word=${${answer%%$'\t'*}//:/\\:}
        [[ $answer == *$'\t'* ]] && word+=:${answer#*$'\t'}
        described+=("$word")
    done
    _describe beepy described
}

if [[ ${funcstack[1]} == _beepy ]]; then
    _beepy "$@"  # loaded from $fpath
else
    compdef _beepy beepy
fi
