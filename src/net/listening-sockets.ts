/** The listening TCP sockets of this process, as the system lists them (proc(5)): their descriptors and addresses. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A socket that listens. */
export interface ListeningSocket {
  readonly fd: number;
  readonly port: number;
}

export interface BoundSocket extends ListeningSocket {
  /** An IPv4 or IPv6 address without brackets. */
  readonly address: string;
}

/** State of a socket in /proc/net/tcp: TCP_LISTEN (include/net/tcp_states.h). */
const listenState = "0A";

/** Sockets that listen, by inode. */
function boundByInode(): ReadonlyMap<string, Omit<BoundSocket, "fd">> {
  const found = new Map<string, Omit<BoundSocket, "fd">>();
  for (const table of ["/proc/self/net/tcp", "/proc/self/net/tcp6"]) {
    for (const line of linesOf(table)) {
      // sl, local_address, rem_address, st, tx_queue:rx_queue, tr:tm->when, retrnsmt, uid, timeout, inode
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      const [address = "", port = ""] = local.split(":");
      if (state !== listenState || inode === undefined) continue;
      found.set(inode, { address: addressIn(address), port: Number.parseInt(port, 16) });
    }
  }
  return found;
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split("\n").slice(1);
  } catch {
    // Another system, or no IPv6.
    return [];
  }
}

/** Each group of 32 bits is printed as a number of the machine, all of which are little-endian. */
function addressIn(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((group) => [...Buffer.from(group, "hex")].toReversed());
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** The address of a descriptor; undefined if it is no TCP socket that listens, or on another system than Linux. */
export function boundSocket(fd: number): BoundSocket | undefined {
  const inode = inodeOf(fd);
  // The tables of a busy machine are long: what is no socket is not looked for.
  const bound = inode === undefined ? undefined : boundByInode().get(inode);
  return bound && { fd, ...bound };
}

function inodeOf(fd: number): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch {
    return undefined;
  }
}

/** All of this process. */
function boundSockets(): readonly BoundSocket[] {
  const byInode = boundByInode();
  try {
    return readdirSync("/proc/self/fd").flatMap((name) => {
      const bound = byInode.get(inodeOf(Number(name)) ?? "");
      return bound ? [{ fd: Number(name), ...bound }] : [];
    });
  } catch {
    return [];
  }
}

/**
 * The descriptor with which this process listens on an address.
 * @param hostname where it is a name, the port alone must tell
 */
export function listeningDescriptor(hostname: string, port: number): number | undefined {
  const ofPort = boundSockets().filter((socket) => socket.port === port);
  const exact = ofPort.filter(({ address }) => isSameAddress(address, hostname));
  return (exact.length > 0 ? exact : ofPort.length === 1 ? ofPort : [])[0]?.fd;
}

/** Whether two texts name the same address. */
export function isSameAddress(left: string, right: string): boolean {
  return normalAddress(left) === normalAddress(right);
}

function normalAddress(text: string): string {
  const plain = text.replace(/^\[(.*)\]$/, "$1");
  if (plain === "localhost") return "127.0.0.1";
  if (!plain.includes(":")) return plain;
  try {
    const address = new URL(`http://[${plain}]`).hostname.slice(1, -1);
    const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address) ?? [];
    if (high === undefined || low === undefined) return address;
    const bytes = [high, low].flatMap((group) => [
      Number.parseInt(group, 16) >> 8,
      Number.parseInt(group, 16) & 255,
    ]);
    return bytes.join(".");
  } catch {
    return plain;
  }
}
