# Completion of beepy for fish 3.4 or newer.

function __beepy_complete
    set -l words (commandline -opc)
    set -e words[1]
    # the word at the cursor comes as it was typed: with its quote, which may be open
    set -l word (commandline -ct | string replace -r -- '^[\'"]' '' | string unescape)
    set -l answers (command beepy __complete words $words "$word" 2>/dev/null)
    set -l option (string match -r -- '^-[^=]*=' $word)
    set -l path (string replace -r -- '^-[^=]*=' '' $word)
    switch "$answers[1]"
        case :files
            printf '%s\n' "$option"(__fish_complete_path $path)
        case :dirs
            printf '%s\n' "$option"(__fish_complete_directories $path)
        case '*'
            printf '%s\n' $answers
    end
end

complete -c beepy -f -a '(__beepy_complete)'
