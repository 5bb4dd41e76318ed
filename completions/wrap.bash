# Of wrap: asks `wrap __complete` at each Tab. `wrap completions bash` prints this.

# The words up to the cursor as wrap gets them, and in `starts` where each begins in COMP_WORDS: readline breaks words
# at `:` and `=`, too.
_wrap_words() {
    local index word before rest=$COMP_LINE
    words=() starts=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        before=$rest
        rest=${rest#"${rest%%[![:space:]]*}"}
        if ((index > 0)) && [[ $before == "$rest" ]]; then
            words[${#words[@]} - 1]+=$word
        else
            starts[${#words[@]}]=$index
            words+=("$word")
        fi
        rest=${rest#"$word"}
    done
}

# The completions of the command that begins at this one of COMP_WORDS.
_wrap_command() {
    local at=$1 spec
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$at"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$at"
    elif ((COMP_CWORD == at)); then
        mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[at]}")
    else
        spec=$(complete -p -- "${COMP_WORDS[at]##*/}" 2>/dev/null)
        if [[ $spec =~ \ -F\ ([^ ]+) ]]; then
            local IFS=' '
            COMP_WORDS=("${COMP_WORDS[@]:at}")
            ((COMP_CWORD -= at))
            COMP_LINE="${COMP_WORDS[*]}"
            COMP_POINT=${#COMP_LINE}
            "${BASH_REMATCH[1]}" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        else
            compopt -o bashdefault -o default
        fi
    fi
}

# Adds values to the reply; where there are several to be looked at, with what they are.
_wrap_offer() {
    local current=$1 breaks=${COMP_WORDBREAKS//[^:=]/} cut='' line value about width=0 described='' room
    local quote=${COMP_WORDS[COMP_CWORD]:0:1}
    shift
    [[ -z $breaks ]] || cut=${current%"${current##*["$breaks"]}"}
    # Tab (9) and a list (63); whoever walks through them (37) gets them typed.
    if (($# > 1 && ${#COMPREPLY[@]} == 0)) && [[ $COMP_TYPE == 9 || $COMP_TYPE == 63 ]]; then
        described=yes
        for line; do
            value=${line%%$'\t'*}
            ((${#value} <= width)) || width=${#value}
        done
    fi
    for line; do
        value=${line%%$'\t'*}
        [[ $value != *= ]] || compopt -o nospace
        # Only where it has to be: %q would turn `name,port` into `name\,port`.
        # Within quotes that were begun it is not needed at all.
        [[ $value != *[!A-Za-z0-9_.,:=/@%+-]* || $quote == [\'\"] ]] || printf -v value %q "$value"
        value=${value#"$cut"}
        about=${line#*$'\t'}
        if [[ -n $described && $line == *$'\t'* ]]; then
            # A terminal breaks a long line anywhere; the value itself is never cut, for two might become one.
            room=$((${COLUMNS:-80} - width - 6))
            ((room < 8)) || printf -v value "%-${width}s  (%s)" "$value" "${about:0:room}"
        fi
        COMPREPLY+=("$value")
    done
}

_wrap() {
    local -a words starts lines
    local at
    _wrap_words
    at=$((${#words[@]} - 1))
    COMPREPLY=()
    # Without the quotes and backslashes of a shell, which wrap would not get either.
    mapfile -t lines < <(command wrap __complete "$at" "${words[@]//[\\\'\"]/}" 2>/dev/null)
    case ${lines[0]-} in
        files)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "${words[at]}")
            ;;
        directories)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -d -- "${words[at]}")
            ;;
        command\ *) _wrap_command "${starts[${lines[0]#command }]}" ;;
    esac
    _wrap_offer "${words[at]//[\\\'\"]/}" "${lines[@]:1}"
}

# `dev …` as what the alias stands for.
_wrap_alias() {
    local name=${COMP_WORDS[0]}
    local -a typed
    read -ra typed <<<"${BASH_ALIASES[$name]}"
    COMP_LINE="${typed[*]}${COMP_LINE#*"$name"}"
    COMP_POINT=${#COMP_LINE}
    COMP_WORDS=("${typed[@]}" "${COMP_WORDS[@]:1}")
    ((COMP_CWORD += ${#typed[@]} - 1))
    _wrap
}

complete -F _wrap wrap
