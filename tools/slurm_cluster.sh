#!/bin/sh
# A Slurm of two nodes to test job scripts with: all of it on 127.0.0.1, in one folder, without systemd, as root or any other user.
#   tools/slurm_cluster.sh up FOLDER      ends with 0 when both nodes are idle; SLURM_CONF is FOLDER/slurm.conf
#   tools/slurm_cluster.sh down FOLDER    cancels what runs and ends the daemons
PATH=$PATH:/usr/sbin
folder=$2
SLURM_CONF=$folder/slurm.conf
export SLURM_CONF

write_config() { # write_config PORT
    cat >"$SLURM_CONF" <<EOT
ClusterName=test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
CredType=cred/munge
# A task that is queued again may begin when its first credential has expired: after 6 s rather than 120.
AuthInfo=socket=$folder/munge/socket,cred_expire=6
# Listen on the addresses that are given here, not on all.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort=$1
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
TmpFS=$folder/tmp-%n
SwitchType=switch/none
MpiDefault=none
# Nothing here needs control groups, which a container seldom may use.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
KillWait=5
NodeName=n[1-2] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[$(($1 + 1))-$(($1 + 2))] CPUs=1 State=UNKNOWN
PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP
# Whose jobs drive out those of the other, which go back into the queue.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
EOT
}

# start WORD…: a daemon of its own session, its process in the list.
start() {
    setsid "$@" </dev/null >>"$folder/daemons.log" 2>&1 &
    echo $! >>"$folder/processes"
}

start_all() {
    # By force: the folders above may be closed to others, who have no business here.
    start munged -F --force --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
        --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"
    wait_for 50 test -S "$folder/munge/socket" || return 1
    start slurmctld -D -c -f "$SLURM_CONF"
    for node in n1 n2; do
        mkdir -p "$folder/spool-$node" "$folder/tmp-$node"
        start slurmd -D -f "$SLURM_CONF" -N $node
    done
    wait_for 100 both_idle
}
both_idle() { [ "$(sinfo -h -N -o '%N %T' 2>/dev/null | sort -u | grep -c ' idle$')" = 2 ]; }

# wait_for TENTHS COMMAND…
wait_for() {
    tries=$1
    shift
    while ! "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# A process that is there and no zombie.
alive() { [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null | tr -d Z)" ]; }
none_alive() {
    for process in $(cat "$folder/processes" 2>/dev/null); do
        ! alive "$process" || return 1
    done
}
signal_all() {
    for process in $(cat "$folder/processes" 2>/dev/null); do
        ! alive "$process" || kill "-$1" "$process" 2>/dev/null
    done
}
# What slurmd started for jobs of this cluster and no other.
kill_steps() {
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" = slurmstepd ] &&
            tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -qx "SLURM_CONF=$SLURM_CONF" && kill -KILL "${process#/proc/}"
    done
}

down() {
    [ ! -S "$folder/munge/socket" ] || timeout 10 scancel --quiet --user="$(id -un)" 2>/dev/null
    sleep 0.5
    signal_all TERM
    wait_for 50 none_alive || signal_all KILL
    kill_steps
    wait_for 20 none_alive
    rm -f "$folder/processes"
}

case $1 in
up)
    mkdir -p "$folder/munge" "$folder/state"
    chmod 711 "$folder/munge"
    (umask 077 && head -c 128 /dev/urandom >"$folder/munge/key")
    # The ports may be taken: others then.
    for try in 1 2 3; do
        port=$((20000 + ($$ * 7 + try * 1009) % 9000))
        write_config $port
        start_all && exit 0
        down
    done
    tail -n 20 "$folder"/*.log >&2
    exit 1
    ;;
down) down ;;
*) sed -n '2,4s/^# //p' "$0" >&2 && exit 64 ;;
esac
