/** What `evenkeel proxy` does to take over from another process, and to let another one take over. */

import type { Balancer } from "../balancer/balancer.ts";
import { type Config, version } from "../config/config.ts";
import type { Engine } from "../engine/engine.ts";
import { fleetSecretPurpose } from "../fleet/sticky-secret.ts";
import type { InheritedSocket } from "../handover/inherited-sockets.ts";
import type { Predecessor, PredecessorState } from "../handover/messages.ts";
import type { PersistedSession } from "../access/sessions.ts";
import { systemSchedule, systemWallClock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { hostAndPort } from "../net/address.ts";
import type { ListeningSocket } from "../net/listening-sockets.ts";
import type { MonitoredStore } from "../state/store.ts";
import type { AdminServer } from "./admin-server.ts";
import { type CommandContext, UsageError } from "./running.ts";
import type { Stores } from "./stores.ts";
import { successorsOf } from "./successor.ts";
import { Upgrader } from "./upgrade.ts";

/** A part that one process at a time has, beside state and admin API. */
export interface ReleasedPart {
  release(): void;
  /** No other process has taken over. */
  resume(): Promise<void>;
}

export class ReleasedParts {
  readonly #parts: ReleasedPart[] = [];

  add(part: ReleasedPart): void {
    this.#parts.push(part);
  }

  release(): void {
    for (const part of this.#parts) part.release();
  }

  async resume(): Promise<void> {
    for (const part of this.#parts) await part.resume();
  }
}

/** Fills a store in memory with what the process before knows. */
export function seed(
  store: MonitoredStore,
  { intents, events, secrets, members = [], endedSessions = [] }: PredecessorState,
): void {
  store.write(intents);
  store.record(events);
  store.keepMembers(members);
  store.adoptSecrets(secrets);
  store.keepEndedSessions(endedSessions);
}

/**
 * The inherited sockets of each client listener, by its position.
 * Throws a {@link UsageError} if the engine cannot adopt them, or if one of systemd's belongs to no listener: it would accept
 * connections that are never served.
 */
export function adoptSockets(
  { listeners }: Pick<Config, "listeners">,
  { name }: Pick<Engine, "name">,
  { inherited, runtime, log }: Pick<CommandContext, "inherited" | "runtime" | "log">,
): readonly (readonly ListeningSocket[])[] {
  if (!inherited) return [];
  if (name === "fetch") {
    const why = "the fetch engine cannot use sockets of another process; use the wire engine";
    throw new UsageError({ action: "adopt the listening sockets", why });
  }
  const adopted = listeners.map((listener) => inherited.take(listener));
  const calls = runtime.systemCalls();
  for (const { fd } of adopted.flat()) {
    calls?.protect(fd);
    calls?.unblock(fd);
  }
  for (const { fd, name: socket, hostname, port } of inherited.left) {
    const address = hostAndPort(hostname, port);
    if (inherited.source === "systemd") {
      const why =
        port === 0
          ? `socket ${socket || fd} is none that listens on TCP; only ListenStream= with a port can be used`
          : `socket ${socket || fd} (${address}) belongs to no listener; name it after a listener (FileDescriptorName=${listeners[0].name}), or give one its address`;
      throw new UsageError({ action: "use the sockets of systemd", why });
    }
    log.warn("listener closed", { listener: socket, address, why: "the configuration has it no more" });
    calls?.close(fd);
  }
  for (const [index, { name: listener, hostname, port }] of listeners.entries())
    if (adopted[index]?.length === 0)
      log.warn("listener opened", { listener, address: hostAndPort(hostname, port) });
  return adopted;
}

interface TakeoverParts {
  readonly balancer: Balancer;
  readonly stores: Stores;
  readonly adminServer: AdminServer;
  readonly log: Log;
}

/** Resolves when this process has files and admin API, and serves. The process before still accepts connections. */
export async function takeOver(
  predecessor: Predecessor,
  { balancer, stores, adminServer, log }: TakeoverParts,
): Promise<void> {
  const { pid, version: from, by, reason } = predecessor.state;
  const released = await predecessor.ready();
  stores.open();
  await balancer.adopt(released, predecessor.hasChanged(released));
  await adminServer.take(released.sessions, predecessor.state.adminPort);
  const detail = `from process ${pid} (version ${from})${reason === "" ? "" : `: ${reason}`}`;
  const common = { kind: "upgrade", pool: null, upstream: null, reason: "upgrade" } as const;
  balancer.record({ ...common, from, to: "done", by, detail });
  balancer.serve();
  log.info("took over", { from: pid, version: from, by });
  if (released.reload) void balancer.control.reload({ dry: false }, by);
}

export interface HandoverParts {
  readonly config: Config;
  readonly engine: Engine;
  readonly balancer: Balancer;
  readonly stores: Stores;
  readonly context: CommandContext;
  readonly adminPort: () => number;
  /** Others than state and admin API. */
  readonly released: ReleasedParts;
  readonly reload: (by: string) => Promise<void>;
  /** Closes state and admin API. @returns the open sessions */
  readonly release: () => readonly PersistedSession[];
  readonly resume: () => Promise<void>;
  readonly onReplaced: (pid: number) => void;
}

/** The most recent events that the next process shows before it can read the file. */
const maxEvents = 2_000;

export function createUpgrader(parts: HandoverParts): Upgrader {
  const { balancer, stores, context, released, reload, onReplaced } = parts;
  const { runtime, log, predecessor, environment, argv } = context;
  let lastSeq = 0;
  const state = () => {
    const events = balancer.control.events({ limit: maxEvents });
    lastSeq = events.at(-1)?.seq ?? 0;
    const ofFleet = stores.store.keptSecret(fleetSecretPurpose);
    const secrets = {
      sticky: stores.store.secret("sticky"),
      ...(ofFleet !== undefined && { [fleetSecretPurpose]: ofFleet }),
    };
    const members = balancer.discoveredMembers;
    const endedSessions = stores.store.endedSessions();
    const known = { events, secrets, members, endedSessions, adminPort: parts.adminPort() };
    return { intents: balancer.control.intents(), ...known };
  };
  return new Upgrader({
    ...{ pid: runtime.pid, version, log, reload, onReplaced, state, schedule: systemSchedule },
    generation: predecessor ? predecessor.state.generation + 1 : 0,
    since: predecessor ? systemWallClock() : null,
    problem: () => problemOf(parts),
    sockets: () => socketsOf(parts),
    release() {
      released.release();
      const sessions = parts.release();
      const events = balancer.control.events({ after: lastSeq, limit: maxEvents });
      return { intents: balancer.control.intents(), events, sessions };
    },
    async resume() {
      await parts.resume();
      await released.resume();
    },
    start: successorsOf(
      [...runtime.selfCommand, ...argv],
      runtime.successorEnvironment(environment),
      runtime.passDescriptors,
    ),
    record: (event) => balancer.record(event),
  });
}

/** Why this process cannot hand over; undefined if it can. */
function problemOf({ config, engine, balancer, context }: HandoverParts): string | undefined {
  const { runtime, upgradeProblem } = context;
  if (upgradeProblem !== undefined) return upgradeProblem;
  if (balancer.phase === "starting") return "it has not started yet";
  if (balancer.phase !== "ready") return "it is draining";
  if (engine.name === "fetch")
    return "the fetch engine cannot hand over its sockets; restart it, or use the wire engine";
  const http3 = config.listeners.find((listener) => listener.http3);
  if (http3) return `listener ${http3.name} serves HTTP/3, whose socket cannot be handed over; restart it`;
  if (runtime.pid === 1)
    return "this is the first process of its container, which ends with it; replace the container";
  if (!balancer.sockets()) return "this system does not tell the sockets of the listeners; restart it";
  return undefined;
}

function socketsOf({ config, balancer, context }: HandoverParts): readonly InheritedSocket[] {
  const sockets = balancer.sockets() ?? [];
  return config.listeners.flatMap(({ name, hostname, port }, index) =>
    (sockets[index] ?? []).map((socket) => ({
      ...socket,
      name,
      hostname,
      configuredPort: port,
      isNamed: context.inherited?.isNamed(name) ?? false,
    })),
  );
}
