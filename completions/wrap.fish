# Of wrap: asks `wrap __complete` at each Tab. `wrap completions fish` prints this.

function __wrap_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # Without the quotes and backslashes of a shell, which wrap would not get either.
    set -l plain (string replace -ra '[\'"\\\\]' '' -- "$current")
    set -l answer (command wrap __complete (count $words) $words "$plain" 2>/dev/null)
    set -l first $answer[1]
    set -e answer[1]
    switch "$first"
        case files
            __fish_complete_path "$current"
        case directories
            __fish_complete_directories "$current" ''
        case 'command *'
            set -l begins (math (string replace 'command ' '' -- $first) + 1)
            set -l line "$current"
            if test $begins -le (count $words)
                set line (string join ' ' -- (string escape -- $words[$begins..-1]) "$current")
            end
            complete -C "$line"
    end
    test (count $answer) -eq 0; or printf '%s\n' $answer
end

complete -c wrap -e
complete -c wrap -f -a '(__wrap_complete)'
