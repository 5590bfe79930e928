/** What both runtimes do with the C library: its constants, and the calls over a few of its functions. */

import { sendFlags } from "../lib/c-library.ts";
import type { PassedDescriptors, SystemCalls } from "./runtime.ts";

/** Functions of the C library; all take and return 32-bit integers except where they take bytes. */
export interface LibraryFunctions {
  fcntl(fd: number, command: number, argument: number): number;
  close(fd: number): number;
  /** @param time filled with seconds and nanoseconds, 64 bits each */
  clock_gettime(clock: number, time: Uint8Array): number;
  socket(domain: number, type: number, protocol: number): number;
  sendto(fd: number, data: Uint8Array, length: number, to: { flags: number; address: Uint8Array }): number;
}

/** Standard streams, and the channel between the two processes. */
const stdioBefore = 4;

/** As entries of `stdio`, which get the numbers of their positions. */
export function passedByStdio(descriptors: readonly number[]): PassedDescriptors {
  return { stdio: descriptors, numbers: descriptors.map((_, index) => stdioBefore + index) };
}

/** fcntl(2): F_DUPFD_CLOEXEC, F_SETFD, FD_CLOEXEC. */
const duplicateCloseOnExec = 1030;
const setDescriptorFlags = 2;
/** F_SETFL, and O_RDWR with O_NONBLOCK. */
const setStatusFlags = 4;
const readWriteNonBlocking = 0o4002;
const closeOnExec = 1;
/** The lowest number of a duplicate: standard streams stay what they are. */
const minDescriptor = 3;

/** clock_gettime(2): CLOCK_MONOTONIC. */
const monotonicClock = 1;

/** unix(7): AF_UNIX, SOCK_DGRAM. */
const unixDomain = 1;
const datagram = 2;

export function systemCallsOver(library: LibraryFunctions): SystemCalls {
  return {
    duplicate: (fd) => library.fcntl(fd, duplicateCloseOnExec, minDescriptor),
    protect: (fd) => void library.fcntl(fd, setDescriptorFlags, closeOnExec),
    share: (fd) => void library.fcntl(fd, setDescriptorFlags, 0),
    unblock: (fd) => void library.fcntl(fd, setStatusFlags, readWriteNonBlocking),
    close: (fd) => void library.close(fd),
    monotonicMicros() {
      const time = Buffer.alloc(16);
      library.clock_gettime(monotonicClock, time);
      return Number(time.readBigInt64LE(0)) * 1e6 + Math.floor(Number(time.readBigInt64LE(8)) / 1e3);
    },
    sendDatagram(path, text) {
      const fd = library.socket(unixDomain, datagram, 0);
      if (fd < 0) return false;
      library.fcntl(fd, setDescriptorFlags, closeOnExec);
      try {
        const data = new TextEncoder().encode(text);
        const to = { flags: sendFlags.nonBlocking, address: unixAddress(path) };
        return library.sendto(fd, data, data.length, to) === data.length;
      } finally {
        library.close(fd);
      }
    },
  };
}

/** `sockaddr_un`: the family in the byte order of the machine, then the path. An abstract one begins with a zero byte and has no end. */
function unixAddress(path: string): Uint8Array {
  const isAbstract = path.startsWith("@");
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
  return Buffer.concat([Buffer.from([unixDomain, 0]), name]);
}
