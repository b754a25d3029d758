# The guest's only program once the host's files are there: runs the command, reports its exit code, ends the guest.
# Ports, in the order in which the runner made them: output, errors, exit code.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
set -- /dev/vport*p1
device=${1%1}
ip link set lo up
ulimit -n 65536
ulimit -l unlimited

# A port opens once only; behind a pipe the command may open /dev/stdout and /dev/stderr as often as it likes.
mkfifo /run/guest/output /run/guest/errors
cat /run/guest/output >"${device}1" &
output=$!
cat /run/guest/errors >"${device}2" &
errors=$!
sh /run/guest/command </dev/null >/run/guest/output 2>/run/guest/errors
code=$?

# The pipes end when the command's last child is gone; one that stays behind is not waited for.
patience=30
while [ $patience -gt 0 ] && { kill -0 $output || kill -0 $errors; } 2>/dev/null; do
  sleep 0.1
  patience=$((patience - 1))
done
echo $code >"${device}3"
echo o >/proc/sysrq-trigger
sleep 60
