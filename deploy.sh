#!/usr/bin/env bash
# Build the image and put it in the place of the running one, with a backup before and a way back. See docs/deployment.md.
set -Eeuo pipefail

readonly NAME=${0##*/}
readonly IMAGE=airtable-connector
readonly SERVICE=connector
readonly BACKUPS_KEPT=5
readonly LOG_LINES=50

usage() {
    cat <<EOF
Usage: $NAME [--dry-run] [--no-backup] [--timeout SECONDS] [FOLDER]

Deploys FOLDER (the script's own without it) with Docker Compose: checks what is needed, backs up the base of the
running service, builds, starts, waits until it is healthy. If it does not become healthy, the log's end is shown and
the image that ran before is started again.

  --dry-run          say what would be done, do nothing
  --no-backup        for when the running service is too broken to be backed up
  --timeout SECONDS  how long it may take to become healthy (90)

COMPOSE_PROFILES=postgres or mesh starts these beside it; PUBLISH=address:port is where it is reached (127.0.0.1:8000).

Exit codes: 0 deployed; 1 not deployed, what ran before runs (or nothing was touched); 2 something is missing or asked
wrongly, nothing was touched; 3 not deployed, and nothing healthy runs.
EOF
}

say() { printf '%s: %s\n' "$NAME" "$*"; }
complain() { printf '%s: %s\n' "$NAME" "$*" >&2; }
refuse() {
    complain "$*"
    exit 2
}

# Do it, or with --dry-run say it.
act() {
    if [[ $dry_run == yes ]]; then
        say "would run: $*"
    else
        "$@"
    fi
}

read_arguments() {
    dry_run=no backup=yes timeout=90 folder=$(dirname "${BASH_SOURCE[0]}")
    while (($#)); do
        case $1 in
            --help | -h)
                usage
                exit 0
                ;;
            --dry-run) dry_run=yes ;;
            --no-backup) backup=no ;;
            --timeout)
                [[ ${2-} =~ ^[1-9][0-9]{0,3}$ ]] || refuse "--timeout wants a number of seconds, 1 to 9999"
                timeout=$2
                shift
                ;;
            -*) refuse "unknown option $1; --help lists them" ;;
            *) folder=$1 ;;
        esac
        shift
    done
    [[ -d $folder ]] || refuse "there is no folder $folder"
    cd "$folder"
}

check_tools() {
    command -v docker > /dev/null || refuse "docker is not installed"
    docker compose version > /dev/null 2>&1 || refuse "docker has no compose plugin (version 2.20 or later is needed)"
    command -v flock > /dev/null || refuse "flock (util-linux) is not installed"
    docker info > /dev/null 2>&1 || refuse "the Docker engine does not answer; is it started, and may $(id -un) use it?"
}

check_files() {
    local file
    for file in docker-compose.yml Dockerfile .env.example; do
        [[ -f $file ]] || refuse "$PWD holds no $file; name the project's folder"
    done
    [[ -f .env ]] || refuse ".env is missing; 'cp .env.example .env' and read through it"
    [[ -r .env ]] || refuse ".env cannot be read by $(id -un)"
}

# Compose hands .env over as environment, where the service cannot tell a typo from a stranger; and what Compose cannot
# read it quotes in its error. So both are looked at here, and told by name or line only: a value may be a secret.
check_env_file() {
    local line name value number=0 unknown=() unreadable=() expanded=()
    while IFS= read -r line || [[ -n $line ]]; do
        number=$((number + 1))
        line=${line%$'\r'}
        [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
        if ! [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=[[:space:]]*(.*)$ ]]; then
            unreadable+=("$number")
            continue
        fi
        name=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]}
        grep -qE "^#?$name=" .env.example || unknown+=("$name")
        case $value in
            \'*) [[ $value =~ ^\'[^\']*\'[[:space:]]*(#.*)?$ ]] || unreadable+=("$number") ;;
            \"*) [[ $value =~ ^\"[^\"]*\"[[:space:]]*(#.*)?$ ]] || unreadable+=("$number") ;;&
            *\$*) expanded+=("$number") ;;
            *) ;;
        esac
    done < .env
    ((${#unreadable[@]} == 0)) || refuse ".env: not NAME=value on one line, in line ${unreadable[*]}"
    ((${#expanded[@]} == 0)) || refuse ".env: a \$ that Compose would expand, in line ${expanded[*]}; put the value in single quotes"
    ((${#unknown[@]} == 0)) || refuse ".env: no setting is called ${unknown[*]} (.env.example lists all)"
}

check_port() {
    local where=${PUBLISH:-127.0.0.1:8000}
    local host=${where%:*} port=${where##*:}
    [[ $port =~ ^[0-9]+$ && $host != "$where" ]] || refuse "PUBLISH wants address:port, not $where"
    [[ $host == 0.0.0.0 ]] && host=127.0.0.1
    if (exec 3<> "/dev/tcp/$host/$port") 2> /dev/null; then
        refuse "something else listens on $where; stop it, or name another place with PUBLISH=address:port"
    fi
}

running_container() { docker compose ps --quiet --status running "$SERVICE"; }

# As of the moment before: taken by the program that wrote the store, inside its container.
back_up() {
    local file
    file=/data/backups/$(date -u +%Y%m%dT%H%M%SZ).backup.gz
    say "backing up to $file in the volume"
    act docker compose exec -T "$SERVICE" sh -c "umask 077 && mkdir -p /data/backups && airtable-connector backup --to $file" < /dev/null ||
        return 1
    # the newest few only: a volume that fills up stops the service
    act docker compose exec -T "$SERVICE" sh -c \
        "ls -1t /data/backups/*.backup.gz | tail -n +$((BACKUPS_KEPT + 1)) | xargs -r rm --" < /dev/null
}

build() {
    COMMIT=$(git rev-parse HEAD 2> /dev/null || true)
    # what was built is not the commit when files differ from it
    if [[ -n $COMMIT && -n $(git status --porcelain 2> /dev/null) ]]; then COMMIT+=-changed; fi
    BUILD_DATE=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    DEPLOYED_BY=${DEPLOYED_BY:-$(id -un)}
    export COMMIT BUILD_DATE DEPLOYED_BY
    say "building ${COMMIT:-an unknown commit}"
    act docker compose build "$SERVICE"
}

start() { act docker compose up --detach --no-build --wait --wait-timeout "$timeout"; }

show_log() {
    complain "the last $LOG_LINES lines of its log:"
    docker compose logs --no-color --no-log-prefix --tail "$LOG_LINES" "$SERVICE" >&2 || true
}

go_back() {
    if [[ -z $previous ]]; then
        docker compose stop "$SERVICE" > /dev/null 2>&1 || true
        complain "not healthy within $timeout s; nothing ran before, so it was stopped"
        exit 3
    fi
    complain "not healthy within $timeout s; starting the image that ran before"
    docker image tag "$IMAGE:previous" "$IMAGE:current"
    if start; then
        complain "the image that ran before runs again; nothing was deployed"
        exit 1
    fi
    show_log
    complain "the image that ran before does not become healthy either. If the log says newer-database, the new version" \
        "has migrated the store: see 'Rolling back' in docs/deployment.md"
    exit 3
}

main() {
    read_arguments "$@"
    check_tools
    check_files
    check_env_file
    # two deployments at once would take each other's image for the previous one; the lock ends with this process
    exec 9< .
    flock --nonblock 9 || refuse "another deployment of $PWD is at work"

    trap 'complain "line $LINENO failed; look with docker compose ps what runs"; exit 1' ERR

    local container
    container=$(running_container)
    previous=
    if [[ -n $container ]]; then
        if [[ $backup == yes ]] && ! back_up; then
            complain "the backup failed; nothing was changed (--no-backup goes on without one)"
            exit 1
        fi
        previous=$(docker inspect --format '{{.Image}}' "$container")
        act docker image tag "$previous" "$IMAGE:previous"
    else
        check_port
        say "nothing runs yet, so there is nothing to back up"
    fi
    build || {
        complain "the build failed; what runs was left alone"
        if [[ -n $previous ]]; then exit 1; else exit 3; fi
    }
    if ! start; then
        show_log
        go_back
    fi
    if [[ $dry_run == yes ]]; then
        say "nothing was done"
    else
        say "healthy; reached at http://${PUBLISH:-127.0.0.1:8000}"
    fi
}

main "$@"
