# Runs a command as a child with a channel on which nothing can be said any more, though its other end is still open:
# what a child meets in the moment in which its parent is killed. Says one thing, waits, and exits as the child did.
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
