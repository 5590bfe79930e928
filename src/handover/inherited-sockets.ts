/** The listening sockets that another process passed to this one: the balancer before an upgrade, or systemd. */

import {
  boundSocket,
  type BoundSocket,
  isSameAddress,
  type ListeningSocket,
} from "../net/listening-sockets.ts";
import { asArray, asRecord, parseJson } from "../lib/json.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/** A socket, and which listener it belongs to. */
export interface InheritedSocket extends ListeningSocket {
  /** Of the listener, or what systemd calls it. */
  readonly name: string;
  /** As configured: the address of the listener in the process before. */
  readonly hostname: string;
  /** As configured: 0 where the system chose one. */
  readonly configuredPort: number;
  /** Whether the name decides, whatever the address is. */
  readonly isNamed: boolean;
}

/** Set for the process that takes over. */
export const handoverVariable = "EVENKEEL_LISTEN_FDS";

/** Variables of sd_listen_fds(3). */
const systemdVariables = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] as const;

/** Variables that concern this process alone, and must not reach the next one. */
export const socketVariables: readonly string[] = [handoverVariable, ...systemdVariables];

/** The first descriptor that systemd passes: SD_LISTEN_FDS_START. */
const firstSystemdDescriptor = 3;

/** More than the listeners of any configuration, with one socket for each worker. */
const maxSockets = 64 * 64;

interface Listener {
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
}

/** Each socket is given to one listener. */
export class InheritedSockets {
  readonly #left: InheritedSocket[];
  readonly #named = new Set<string>();
  readonly source: "process" | "systemd";

  constructor(sockets: readonly InheritedSocket[], source: "process" | "systemd") {
    this.#left = [...sockets];
    this.source = source;
  }

  /** Those of a listener: by name where the name decides, else by address. */
  take(listener: Listener): readonly ListeningSocket[] {
    const named = this.#left.filter(({ isNamed, name }) => isNamed && name === listener.name);
    const taken = named.length > 0 ? named : this.#left.filter((socket) => hasAddressOf(socket, listener));
    if (named.length > 0) this.#named.add(listener.name);
    for (const socket of taken) this.#left.splice(this.#left.indexOf(socket), 1);
    return taken.map(({ fd, port }) => ({ fd, port }));
  }

  /** Whether a listener got its sockets by its name, so that its next process has to. */
  isNamed(listener: string): boolean {
    return this.#named.has(listener);
  }

  /** The ones that no listener took. */
  get left(): readonly InheritedSocket[] {
    return this.#left;
  }
}

/** With a port that the system chose, only the name tells which listener it is. */
function hasAddressOf(socket: InheritedSocket, { name, hostname, port }: Listener): boolean {
  if (!isSameAddress(socket.hostname, hostname)) return false;
  if (socket.configuredPort === port) return port !== 0 || socket.name === name;
  return socket.port === port;
}

/** For the environment of a child process. @param numbers their descriptors there */
export function formatSockets(sockets: readonly InheritedSocket[], numbers: readonly number[]): string {
  return JSON.stringify(sockets.map((socket, index) => ({ ...socket, fd: numbers[index] })));
}

/**
 * The sockets in the environment of this process; undefined without any.
 * @param pid of this process: systemd's are for one process
 */
export function inheritedSockets(variables: Variables, pid: number): InheritedSockets | undefined {
  const handedOver = variables[handoverVariable];
  if (handedOver !== undefined) return new InheritedSockets(parseSockets(handedOver), "process");
  const count = Number(variables["LISTEN_FDS"]);
  if (Number(variables["LISTEN_PID"]) !== pid || !Number.isInteger(count) || count < 1) return undefined;
  const names = (variables["LISTEN_FDNAMES"] ?? "").split(":");
  const sockets = Array.from({ length: Math.min(count, maxSockets) }, (_, index) => {
    const fd = firstSystemdDescriptor + index;
    const name = names[index] ?? "";
    return systemdSocket(fd, name, boundSocket(fd));
  });
  return new InheritedSockets(sockets, "systemd");
}

/** A socket that does not listen on TCP has the port 0, and no listener takes it but by name. */
function systemdSocket(fd: number, name: string, bound: BoundSocket | undefined): InheritedSocket {
  const { address = "", port = 0 } = bound ?? {};
  return { fd, name, hostname: address, port, configuredPort: port, isNamed: bound !== undefined };
}

function parseSockets(text: string): readonly InheritedSocket[] {
  return asArray(parseJson(text))
    .slice(0, maxSockets)
    .flatMap((value) => {
      const { fd, name, hostname, port, configuredPort, isNamed } = asRecord(value);
      if (typeof fd !== "number" || typeof port !== "number" || typeof hostname !== "string") return [];
      return [
        {
          fd,
          port,
          hostname,
          name: String(name),
          configuredPort: typeof configuredPort === "number" ? configuredPort : port,
          isNamed: isNamed === true,
        },
      ];
    });
}
