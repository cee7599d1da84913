#!/usr/bin/env bash
# Install or upgrade the connector as a systemd service on a host without Docker. See docs/deployment.md.
set -Eeuo pipefail

readonly NAME=${0##*/}
readonly UNIT=airtable-server.service
readonly UNIT_PREFIX=/opt/airtable-connector
readonly UNIT_USER=airtable-connector
readonly RELEASES_KEPT=3
readonly BACKUPS_KEPT=5
readonly LOG_LINES=50

usage() {
    cat <<EOF
Usage: $NAME [--prefix FOLDER] [--user NAME] [--no-systemd] [--dry-run] ...

Installs the connector from the folder of this script, or upgrades what an earlier run installed: a release of its own
with its own Python environment, a backup of the base, a switch, a restart, a wait for /health. If it does not become
healthy, the release that ran before is started again. Run again without changes, it changes nothing.

  --prefix FOLDER    where everything lies: releases, current, data, backups, .env ($UNIT_PREFIX)
  --user NAME        who the service runs as; made when missing ($UNIT_USER)
  --unit-dir FOLDER  where systemd looks for units (/etc/systemd/system)
  --python PROGRAM   Python 3.11 or later (python3)
  --timeout SECONDS  how long it may take to become healthy (60)
  --no-backup        for when the base is too broken to be backed up
  --no-systemd       make and switch the release only; no user, no unit, nothing is started
  --dry-run          say what would be done, do nothing

Exit codes: 0 installed; 1 not installed, what ran before runs (or nothing was touched); 2 something is missing or asked
wrongly, nothing was touched; 3 not installed, and nothing healthy runs.
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
    source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    prefix=$UNIT_PREFIX user=$UNIT_USER unit_dir=/etc/systemd/system python=python3 timeout=60
    backup=yes systemd=yes dry_run=no
    while (($#)); do
        case $1 in
            --help | -h)
                usage
                exit 0
                ;;
            --dry-run) dry_run=yes ;;
            --no-backup) backup=no ;;
            --no-systemd) systemd=no ;;
            --prefix | --user | --unit-dir | --python | --timeout)
                [[ -n ${2-} ]] || refuse "$1 wants a value"
                case $1 in
                    --prefix) prefix=${2%/} ;;
                    --user) user=$2 ;;
                    --unit-dir) unit_dir=$2 ;;
                    --python) python=$2 ;;
                    *) timeout=$2 ;;
                esac
                shift
                ;;
            *) refuse "unknown option $1; --help lists them" ;;
        esac
        shift
    done
    # both are written into the unit, where other characters have meanings of their own
    [[ $prefix =~ ^/[A-Za-z0-9._/-]+$ ]] || refuse "--prefix wants an absolute path of letters, digits and ._/-"
    [[ $user =~ ^[a-z_][a-z0-9_-]*$ ]] || refuse "--user wants a user's name, not '$user'"
    [[ $timeout =~ ^[1-9][0-9]{0,3}$ ]] || refuse "--timeout wants a number of seconds, 1 to 9999"
}

check_machine() {
    local file
    for file in requirements.txt requirements-build.txt pyproject.toml src deploy .env.example udc_config.json "$UNIT"; do
        [[ -e $source/$file ]] || refuse "$source holds no $file; run the script in the project's folder"
    done
    command -v "$python" > /dev/null || refuse "there is no $python; --python names another"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || refuse "$python is older than 3.11; --python names another"
    "$python" -c 'import venv, ensurepip' 2> /dev/null || refuse "$python cannot make environments; install its venv package"
    command -v flock > /dev/null || refuse "flock (util-linux) is not installed"
    [[ $systemd == no ]] && return
    command -v systemctl > /dev/null || refuse "there is no systemctl; --no-systemd installs without it"
    systemctl show --property=Version > /dev/null 2>&1 || refuse "systemd does not answer; --no-systemd installs without it"
    [[ -d $unit_dir ]] || refuse "there is no folder $unit_dir; --unit-dir names another"
    [[ -w $unit_dir ]] || refuse "$(id -un) may not write to $unit_dir; run it as root"
    if ! service_runs && (exec 3<> "/dev/tcp/127.0.0.1/$(port)") 2> /dev/null; then
        refuse "something else listens on port $(port); stop it, or set PORT in $prefix/.env"
    fi
}

# The port that the service will take, as far as its own file says.
port() {
    local file=$prefix/.env found=
    [[ -r $file ]] || file=$source/.env
    if [[ -r $file ]]; then
        found=$(sed -nE "s/^[[:space:]]*(export[[:space:]]+)?PORT[[:space:]]*=[[:space:]]*[\"']?([0-9]+).*/\2/p" "$file" | tail -n 1)
    fi
    echo "${found:-8000}"
}

service_runs() { systemctl is-active --quiet "$UNIT" 2> /dev/null; }

# Names what would be installed: the same sources make the same release, so a second run finds it made.
release_name() {
    (
        cd "$source"
        find src deploy pyproject.toml requirements.txt requirements-build.txt -type f \
            ! -name '*.pyc' ! -name build_info.json ! -path '*.egg-info/*' -print0 |
            LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-12
    )
}

make_user() {
    [[ $systemd == yes ]] || return 0
    id -u "$user" > /dev/null 2>&1 || act useradd --system --user-group --home-dir "$prefix" --no-create-home \
        --shell /usr/sbin/nologin "$user"
}

# As the service's user: what it makes in the data folder must be the service's own.
as_service() {
    if [[ $systemd == no || $(id -un) == "$user" ]]; then
        "$@"
    else
        runuser --user "$user" -- "$@"
    fi
}

make_folders() {
    act install -d -m 0755 "$prefix" "$prefix/releases"
    act install -d -m 0700 "$prefix/data" "$prefix/backups"
    [[ -e $prefix/.env ]] || make_env_file
    [[ -e $prefix/udc_config.json ]] || act install -m 0644 "$source/udc_config.json" "$prefix/udc_config.json"
    [[ $systemd == yes ]] || return 0
    act chown "$user:" "$prefix/data" "$prefix/backups"
    act chgrp "$(id -gn "$user" 2> /dev/null || echo "$user")" "$prefix/.env"
}

# Two at once would switch each other's release; the lock ends with this process.
lock() {
    [[ $dry_run == no ]] || return 0
    exec 9< "$prefix"
    flock --nonblock 9 || refuse "another installation to $prefix is at work"
}

make_env_file() {
    local given=$source/.env
    [[ -e $given ]] || given=$source/.env.example
    say "settings are taken from ${given##*/} now, and belong to $prefix/.env from here on"
    act install -m 0640 "$given" "$prefix/.env"
}

# Made beside the running one, under its last name, since an environment cannot be moved; whole only when marked so.
make_release() {
    local pip=("$release/bin/python" -m pip --disable-pip-version-check --quiet)
    if [[ -e $release/.complete ]]; then
        say "release ${release##*/} is there already"
        return
    fi
    say "making release ${release##*/}"
    act rm -rf -- "$release"
    act "$python" -m venv "$release"
    act "${pip[@]}" install --require-hashes -r "$source/requirements.txt" -r "$source/requirements-build.txt"
    act copy_source "$release/source"
    act "${pip[@]}" install --no-build-isolation --no-deps --no-index "$release/source"
    act rm -rf -- "$release/source"
    act cp "$source/deploy/healthcheck.py" "$release/healthcheck.py"
    act touch "$release/.complete"
}

# Building leaves things behind, and what the build says of itself is written: neither belongs into the given folder.
copy_source() {
    local commit
    commit=$(git -C "$source" rev-parse HEAD 2> /dev/null || true)
    # what was built is not the commit when files differ from it
    if [[ -n $commit && -n $(git -C "$source" status --porcelain 2> /dev/null) ]]; then commit+=-changed; fi
    mkdir "$1"
    cp -R "$source/src" "$source/pyproject.toml" "$source/README.md" "$1"
    "$python" "$source/deploy/build_info.py" "$commit" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${DEPLOYED_BY:-$(id -un)}" \
        > "$1/src/airtable_connector/build_info.json"
}

# With the release that wrote the store; a base that has no store yet needs no backup.
back_up() {
    local file trouble
    file=$prefix/backups/$(date -u +%Y%m%dT%H%M%SZ).backup.gz
    say "backing up to $file"
    [[ $dry_run == no ]] || return 0
    if ! trouble=$(cd "$prefix" && umask 077 && as_service current/bin/airtable-connector backup --to "$file" 2>&1); then
        if [[ $trouble == *"there is no store yet"* ]]; then
            say "there is no store yet, so there is nothing to back up"
            return 0
        fi
        complain "$trouble"
        return 1
    fi
    keep_newest "$BACKUPS_KEPT" "$prefix"/backups/*.backup.gz
}

# Remove all but the newest few of these.
keep_newest() {
    local count=$1
    shift
    # shellcheck disable=SC2012 # the names are ours: letters, digits, dots
    ls -1dt -- "$@" | tail -n "+$((count + 1))" | while IFS= read -r old; do
        rm -rf -- "$old"
    done
}

# In one step: at no moment is there no current release.
switch_to() {
    act ln -sfn "releases/${1##*/}" "$prefix/.next"
    act mv -T "$prefix/.next" "$prefix/current"
}

# Put the unit in place; tells by its exit code whether systemd has to read it again.
place_unit() {
    local made=$prefix/$UNIT
    if [[ $dry_run == yes ]]; then
        say "would write: $made"
    else
        sed -e "s|$UNIT_PREFIX|$prefix|g" -e "s|^User=.*|User=$user|" "$source/$UNIT" > "$made"
    fi
    [[ $systemd == yes ]] || return 0
    if ! cmp --silent "$made" "$unit_dir/$UNIT"; then
        act install -m 0644 "$made" "$unit_dir/$UNIT"
        act systemctl daemon-reload
        unit_changed=yes
    fi
}

wait_until_healthy() {
    local left=$timeout trouble=
    [[ $dry_run == no ]] || return 0
    say "waiting for /health on port $(port), $timeout s at most"
    until trouble=$("$prefix/current/bin/python" "$prefix/current/healthcheck.py" "$(port)"); do
        left=$((left - 1))
        if ((left <= 0)); then
            complain "not healthy: $trouble"
            return 1
        fi
        sleep 1
    done
}

restart() {
    act systemctl enable --quiet "$UNIT" || return 1
    act systemctl restart "$UNIT" || return 1
    wait_until_healthy
}

go_back() {
    complain "the last $LOG_LINES lines of its log:"
    journalctl --unit "$UNIT" --lines "$LOG_LINES" --no-pager --output cat >&2 || true
    if [[ -z $previous || $previous == "$release" ]]; then
        complain "there is no other release to go back to; the service is left as it is"
        exit 3
    fi
    complain "going back to release ${previous##*/}"
    switch_to "$previous"
    if restart; then
        complain "release ${previous##*/} runs again; nothing was installed"
        exit 1
    fi
    complain "release ${previous##*/} does not become healthy either. If the log says newer-database, the new release has" \
        "migrated the store: see 'Rolling back' in docs/deployment.md"
    exit 3
}

main() {
    read_arguments "$@"
    check_machine
    # whatever the caller's is: the service's user has to read what is installed
    umask 022
    trap 'complain "line $LINENO failed; what runs was left alone"; exit 1' ERR

    release=$prefix/releases/$(release_name)
    previous=$(readlink -f "$prefix/current" 2> /dev/null || true)
    unit_changed=no
    make_user
    make_folders
    lock
    make_release
    if [[ $previous != "$release" ]]; then
        if [[ -n $previous && $backup == yes ]] && ! back_up; then
            complain "the backup failed; what runs was left alone (--no-backup goes on without one)"
            exit 1
        fi
        switch_to "$release"
    fi
    place_unit
    if [[ $systemd == yes ]]; then
        if [[ $previous != "$release" || $unit_changed == yes ]] || ! service_runs; then
            restart || go_back
        else
            say "this release runs already"
        fi
    fi
    if [[ $dry_run == yes ]]; then
        say "nothing was done"
        return
    fi
    # by when they were last taken into use, so that the current one is the newest of them
    touch "$release"
    keep_newest "$RELEASES_KEPT" "$prefix"/releases/*
    if [[ $systemd == yes ]]; then
        say "healthy; systemctl status $UNIT"
    else
        say "installed; start it with: cd $prefix && current/bin/airtable-connector serve"
    fi
}

main "$@"
