/** The admin API of a running balancer, which is closed for another process and may be opened again. */

import type { PersistedSession } from "../access/sessions.ts";
import type { AdminBackend, AdminOptions } from "../admin/admin-options.ts";
import { type AdminListener, startAdmin } from "../admin/admin.ts";
import { sleep, systemClock } from "../lib/clock.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { listening } from "./running.ts";

/** The process before closes its port in a moment. */
const portWaitMs = 2_000;
const portCheckMs = 5;

export class AdminServer {
  readonly #options: AdminOptions;
  readonly #balancer: AdminBackend;
  readonly #runtime: Runtime;
  #listener: AdminListener | undefined;
  /** The one that is bound, where the configuration leaves it to the system. */
  #port: number;
  #sessions: readonly PersistedSession[] = [];

  constructor(options: AdminOptions, balancer: AdminBackend, runtime: Runtime) {
    this.#options = options;
    this.#balancer = balancer;
    this.#runtime = runtime;
    this.#port = options.port;
  }

  get port(): number {
    return this.#port;
  }

  /** The open sessions, also after the port was closed. */
  get sessions(): readonly PersistedSession[] {
    return this.#listener?.keptSessions() ?? this.#sessions;
  }

  /**
   * Rejects with a UsageError if it cannot listen on the port.
   * @param takeSessions called once, when the port is bound
   */
  async open(takeSessions: () => readonly PersistedSession[]): Promise<void> {
    const { hostname } = this.#options;
    const options = { ...this.#options, port: this.#port, takeSessions };
    const start = startAdmin(options, this.#balancer, this.#runtime);
    this.#listener = await listening({ key: "admin", hostname, port: this.#port }, start);
    this.#port = this.#listener.port;
  }

  /** As `open`, while the process before closes the same port. @param port of that process, where the system chose it */
  async take(sessions: readonly PersistedSession[], port: number | undefined): Promise<void> {
    if (this.#port === 0 && port !== undefined) this.#port = port;
    const until = systemClock() + portWaitMs;
    for (;;) {
      try {
        return await this.open(() => sessions);
      } catch (error) {
        if (systemClock() > until) throw error;
        await sleep(portCheckMs);
      }
    }
  }

  /** Gives the port to another process. Requests that have begun get their responses. */
  release(): readonly PersistedSession[] {
    this.#sessions = this.sessions;
    // From now on they are the other process's.
    this.#options.sharing?.stop();
    void this.#listener?.drain();
    return this.#sessions;
  }

  /** Takes the port back. */
  async resume(): Promise<void> {
    await this.take(this.#sessions, undefined);
  }

  close(): void {
    this.#listener?.close();
  }
}
