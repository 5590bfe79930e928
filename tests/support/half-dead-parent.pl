# Runs a command as a child with an IPC channel that is shut down for writing while the parent's end stays open:
# what a child sees at the moment its parent is killed. Sends one message, waits, and exits with the child's status.
use strict; use warnings; use Socket; use Fcntl;
socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die "Cannot make a channel: $!";
fcntl($theirs, F_SETFD, 0);
my $child = fork();
if (!$child) {
  close $ours;
  $ENV{NODE_CHANNEL_FD} = fileno($theirs);
  exec @ARGV or die "Cannot run $ARGV[0]: $!";
}
close $theirs;
shutdown($ours, 0);
syswrite($ours, qq({"kind":"cut","upstream":"a","request":1}\n));
waitpid($child, 0);
exit($? >> 8);
