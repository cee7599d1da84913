#!/usr/bin/env bash
# Look whether the connector is well, one line per check. See docs/deployment.md.
set -euo pipefail

readonly NAME=${0##*/}
readonly UNIT=airtable-server.service
readonly SERVICE=connector
readonly TRIES=3
readonly RESTART_LIMIT_S=60

usage() {
    cat <<EOF
Usage: $NAME [--url URL] [--token-file FILE] [--disk FOLDER] [--watch SECONDS] [--restart systemd|compose] ...

Checks /health; memory and load as /state tells them, if a token with the permission read is given; room on the disk;
and how long the certificate is valid, if the URL is https. One line per check: "ok" or "FAIL", what, what was seen.

  --url URL                   the service (http://127.0.0.1:8000)
  --token-file FILE           holds a token; never shown, nor given on a command line
  --disk FOLDER               whose disk is looked at (this one)
  --disk-percent N            used from here on means FAIL (90)
  --memory-mb N               of the service; from here on means FAIL (1536)
  --cpu-percent N             as /state tells it; from here on means FAIL (95)
  --cert-days N               fewer days left mean FAIL (14)
  --watch SECONDS             look again and again, until stopped
  --restart systemd|compose   restart the service when it does not answer $TRIES times in a row; never for another reason

Exit codes: 0 all is well; 1 something is not; 2 asked wrongly, or a program is missing. With --watch it ends by a signal.
EOF
}

complain() { printf '%s: %s\n' "$NAME" "$*" >&2; }
refuse() {
    complain "$*"
    exit 2
}

read_arguments() {
    url=http://127.0.0.1:8000 token_file='' disk=. disk_percent=90 memory_mb=1536 cpu_percent=95 cert_days=14
    watch=0 restart=''
    local name
    while (($#)); do
        case $1 in
            --help | -h)
                usage
                exit 0
                ;;
            --url | --token-file | --disk | --restart)
                [[ -n ${2-} ]] || refuse "$1 wants a value"
                ;;
            --disk-percent | --memory-mb | --cpu-percent | --cert-days | --watch)
                [[ ${2-} =~ ^[1-9][0-9]{0,6}$ ]] || refuse "$1 wants a whole number from 1 on"
                ;;
            *) refuse "unknown option $1; --help lists them" ;;
        esac
        name=${1#--}
        printf -v "${name//-/_}" %s "$2"
        shift 2
    done
    url=${url%/}
    [[ $url =~ ^https?://[^/[:space:]]+(/[^[:space:]]*)?$ ]] || refuse "--url wants http://… or https://…"
    [[ -z $token_file || -r $token_file ]] || refuse "there is no readable file $token_file"
    [[ -d $disk ]] || refuse "there is no folder $disk"
    [[ $restart =~ ^(systemd|compose)?$ ]] || refuse "--restart wants systemd or compose"
    command -v curl > /dev/null || refuse "curl is not installed"
    [[ $url != https://* ]] || command -v openssl > /dev/null || refuse "openssl is not installed"
}

ok() { printf 'ok    %-12s %s\n' "$1" "$2"; }
fail() {
    printf 'FAIL  %-12s %s\n' "$1" "$2"
    well=no
}

# Ask without anything in between and within bounds; what is sent along is read from the standard input. The answer's
# last line is its HTTP status, 000 when there was none.
ask() {
    curl --silent --noproxy '*' --max-time 5 --max-filesize 65536 --write-out '\n%{http_code}' --config - "$url$1" || true
}

http_status() { printf '%s' "${1##*$'\n'}"; }

# A proxy's word that nobody is behind it is silence, too.
is_silence() { [[ $(http_status "$1") =~ ^(000|5..)$ ]]; }

# The value of a name in a JSON answer; numbers and words only, wherever it stands.
value_of() {
    [[ $2 =~ \"$1\"[[:space:]]*:[[:space:]]*\"?([A-Za-z0-9.-]+) ]] && printf '%s' "${BASH_REMATCH[1]}"
}

check_health() {
    local try answer status
    answers=no
    for ((try = 1; try <= TRIES; try++)); do
        answer=$(ask /health < /dev/null)
        if ! is_silence "$answer"; then
            answers=yes
            break
        fi
        ((try == TRIES)) || sleep 1
    done
    status=$(value_of status "$answer" || true)
    if [[ $(http_status "$answer") != 200 ]]; then
        fail health "no answer at $url (HTTP status $(http_status "$answer"))"
    elif [[ $status == active ]]; then
        ok health active
    else
        fail health "${status:-the answer is no UDC health object}"
    fi
}

check_state() {
    local answer
    [[ -n $token_file && $answers == yes ]] || return 0
    # by way of the standard input: a command line can be read by everybody on the machine
    answer=$(printf 'header = "Authorization: Bearer %s"\n' "$(< "$token_file")" | ask /state)
    if [[ $(http_status "$answer") != 200 ]]; then
        fail state "/state does not answer, or refuses the token (HTTP status $(http_status "$answer"))"
        return
    fi
    check_number memory "$(value_of memory_mb "$answer" || true)" "$memory_mb" MB
    check_number cpu "$(value_of cpu_percent "$answer" || true)" "$cpu_percent" %
}

# Compared in whole numbers: a limit is no more exact than that.
check_number() {
    local what=$1 seen=$2 limit=$3 unit=$4
    if ! [[ $seen =~ ^[0-9]+(\.[0-9]+)?$ ]]; then
        fail "$what" "/state does not tell it"
    elif ((10#${seen%.*} >= limit)); then
        fail "$what" "$seen $unit, from $limit on is too much"
    else
        ok "$what" "$seen $unit"
    fi
}

check_disk() {
    local used
    used=$(df -P -- "$disk" | awk 'NR == 2 { sub("%", "", $5); print $5 }')
    if ((used >= disk_percent)); then
        fail disk "$used % used, from $disk_percent on is too much"
    else
        ok disk "$used % used"
    fi
}

check_certificate() {
    local authority host port ends
    [[ $url == https://* ]] || return 0
    authority=${url#https://} authority=${authority%%/*}
    host=${authority%:*} port=443
    [[ $authority == *:* ]] && port=${authority##*:}
    ends=$(timeout 10 openssl s_client -connect "$host:$port" -servername "$host" < /dev/null 2> /dev/null |
        openssl x509 -noout -enddate 2> /dev/null) || {
        fail certificate "none could be read at $host:$port"
        return
    }
    ends=$(date -u -d "${ends#notAfter=}" +%s)
    local days=$(((ends - $(date -u +%s)) / 86400))
    if ((days < cert_days)); then
        fail certificate "$days days left, fewer than $cert_days is too few"
    else
        ok certificate "$days days left"
    fi
}

# Only for a service that does not answer: one that says "error" has lost its store, and comes back by itself with it.
restart_if_silent() {
    [[ -n $restart && $answers == no ]] || return 0
    case $restart in
        systemd) systemctl restart "$UNIT" ;;
        compose) docker compose --project-directory "$(dirname "${BASH_SOURCE[0]}")" restart "$SERVICE" ;;
        *) return 1 ;;
    esac > /dev/null 2>&1 || {
        fail restart "$restart could not restart it"
        return
    }
    local left=$RESTART_LIMIT_S
    while is_silence "$(ask /health < /dev/null)"; do
        left=$((left - 1))
        if ((left <= 0)); then
            fail restart "restarted by $restart, and no answer for $RESTART_LIMIT_S s"
            return
        fi
        sleep 1
    done
    ok restart "restarted by $restart, answers again"
}

look() {
    well=yes
    check_health
    check_state
    check_disk
    check_certificate
    restart_if_silent
    [[ $well == yes ]]
}

main() {
    read_arguments "$@"
    if ((watch == 0)); then
        look
        return
    fi
    while true; do
        date -u '+%Y-%m-%dT%H:%M:%SZ'
        look || true
        sleep "$watch"
    done
}

main "$@"
