#!/bin/bash
# A cluster of this machine alone: one_node.sh start|stop|kill-controller|start-controller|resume FOLDER
# Debian: apt-get install slurmctld slurmd munge slurm-client; as root. Its files are in FOLDER, and it asks for no cgroups,
# so that it runs in a container, too. Commands, those inside jobs too, find it by a link /etc/slurm/slurm.conf.
set -euo pipefail
action=$1 folder=$2
export SLURM_CONF=$folder/slurm.conf

controller() { slurmctld -L "$folder/slurmctld.log"; }

case $action in
start)
  mkdir -p "$folder/state" "$folder/spool" /run/munge /etc/slurm
  chown munge: /run/munge
  [ -s /etc/munge/munge.key ] || mungekey -c -k /etc/munge/munge.key
  munge -n >/dev/null 2>&1 || runuser -u munge -- /usr/sbin/munged
  host=$(hostname -s)
  memory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
  cat >"$SLURM_CONF" <<EOF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
MinJobAge=3600
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
  if [ -e /etc/slurm/slurm.conf ] && [ ! -L /etc/slurm/slurm.conf ]; then
    echo "/etc/slurm/slurm.conf is of another cluster; expected a machine without one" >&2
    exit 2
  fi
  ln -sfn "$SLURM_CONF" /etc/slurm/slurm.conf
  controller
  slurmd -L "$folder/slurmd.log"
  for _ in $(seq 60); do sinfo -h -o %T 2>/dev/null | grep -q idle && exit 0; sleep 1; done
  echo "the node is $(sinfo -h -o '%T %E'); see $folder/*.log" >&2
  exit 1
  ;;
stop)
  scancel --user=root || true
  for daemon in slurmd slurmctld; do kill "$(cat "$folder/$daemon.pid")" || true; done
  rm -f /etc/slurm/slurm.conf
  ;;
kill-controller) kill -9 "$(cat "$folder/slurmctld.pid")" ;;
start-controller) controller ;;
resume)
  # A controller that is killed before it has saved that a job runs starts it twice: SLURM takes the node for broken, drains
  # it and holds the job, until somebody says that all is well.
  ! sinfo -h -o %T | grep -q drain || scontrol update nodename="$(hostname -s)" state=resume
  squeue -h -t pending -o '%A %r' | awk '/held/ {print $1}' | xargs -r -n 1 scontrol release
  ;;
*) echo "$action is not start, stop, kill-controller, start-controller or resume" >&2 && exit 2 ;;
esac
