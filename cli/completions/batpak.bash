# Completion of batpak for bash. tests/cli/documents.sh compares it with `batpak VERB --help`.

_batpak() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
    local verbs="init append import export get query stream tail walk kinds verify stats dump seal erase compact tombstone inspect-recovery repair reindex consumers bench policy why snapshot restore"
    local region="--region --entity --prefix --scope --kind --category --since --until --committed --correlation --cause --system"
    local options=""

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$verbs help --help --version" -- "$word")
        return
    fi
    case $verb in
        help) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word"); return ;;
        init) options="--segment-size --layout --json" ;;
        append) options="--entity --scope --kind --strict-kinds --payload --file --raw --payload-type --payload-version --id --cause --external --correlation --expect --lane --depth --time --flag --subject --durable --buffered --policy --json" ;;
        import) options="--batch --durable --ack --on-error --strict-kinds --policy --exact --json" ;;
        export) options="--all --stored --json $region" ;;
        get) options="--json --payload" ;;
        query) options="--backward --limit --after --count --json $region" ;;
        stream) options="--backward --limit --after --as-of --diff --step --json" ;;
        tail) options="--limit --follow --json $region" ;;
        walk) options="--chain --causes --effects --correlation --depth --limit --verify --dot --json" ;;
        kinds) options="--json" ;;
        verify) options="--json" ;;
        stats) options="--segments --json --prometheus" ;;
        dump) options="--bad --json" ;;
        seal) options="--json" ;;
        compact) options="--drop --older-than --keep-last --stub-tombstoned --min-segments --dry-run --json" ;;
        tombstone) options="--id --region --reason --by --dry-run --json" ;;
        erase) options="--id --region --subject --reason --by --dry-run --json" ;;
        consumers) options="--parked --retry --sequence --forget --partition --json" ;;
        inspect-recovery) options="--json" ;;
        repair) options="--dry-run --lost-max --json" ;;
        reindex) options="--json" ;;
        bench) options="--events --json" ;;
        policy) options="" ;;
        why) options="--depth --json" ;;
        snapshot) options="--since --copy --with-consumers --with-keys --list --forget --json" ;;
        restore) options="--without-consumers --without-keys --json" ;;
    esac
    case $before in
        --layout) mapfile -t COMPREPLY < <(compgen -W "aos aosoa8 aosoa16 aosoa64 soa soaos" -- "$word"); return ;;
        --on-error) mapfile -t COMPREPLY < <(compgen -W "stop skip" -- "$word"); return ;;
        --payload-type) mapfile -t COMPREPLY < <(compgen -W "json raw msgpack" -- "$word"); return ;;
        --flag) mapfile -t COMPREPLY < <(compgen -W "requires-ack transactional replay" -- "$word"); return ;;
        --expect) mapfile -t COMPREPLY < <(compgen -W "none any" -- "$word"); return ;;
    esac
    case $word in
        -*) mapfile -t COMPREPLY < <(compgen -W "$options --help" -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    esac
}

complete -o filenames -F _batpak batpak
