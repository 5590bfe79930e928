/** Admits visitors by checking their sessions with the admin API, and ends the live streams of sessions that are over. */

import type { Cancel, Clock, Schedule } from "../../lib/clock.ts";
import { closableStream } from "../../lib/closable-stream.ts";
import { derivedSecret } from "../../lib/secrets.ts";
import { eventOf } from "../live/sse.ts";
import type { LoginClient } from "./login-client.ts";
import type { SignedInUser } from "./placeholders.tsx";

/** One user's session, or all visitors together if no login is needed. */
export interface Visitor {
  /** Undefined if no login is needed. */
  readonly user: SignedInUser | undefined;
  readonly session: string | undefined;
  /** The dashboard's routes. They call the admin API with this visitor's credentials only. */
  readonly handle: (request: Request) => Promise<Response>;
}

export interface VisitorsOptions {
  readonly client: Pick<LoginClient, "state">;
  /** The dashboard's own token; used for visitors only if no login is needed. */
  readonly ownToken: string | undefined;
  readonly routesWith: (bearer: () => string | undefined) => Visitor["handle"];
  readonly clock: Clock;
  readonly schedule: Schedule;
}

interface VisitorEntry {
  visitor: Visitor;
  /** Time of the last confirmation by the admin API. */
  checkedAt: number;
  readonly streams: Set<() => void>;
}

/** A check stays valid this long, because a page sends several requests at once. The admin API checks each write itself. */
const freshMs = 1_000;

/** Interval of checks while live streams are open: how long a stream may outlast its session. */
const checkMs = 2_000;

/** How long the last check counts while the admin API is unreachable; there is nothing new to show then. */
const maxStaleMs = 30 * 60_000;

/** The admin API's limit of sessions. */
const maxKnown = 256;

/** Makes the page's script open the login. */
const loggedOutEvent = new TextEncoder().encode(eventOf("{}", "loggedout"));

export class Visitors {
  readonly #options: VisitorsOptions;
  /** Least recently checked first. */
  readonly #known = new Map<string, VisitorEntry>();
  readonly #anonymous: VisitorEntry;
  #requiresLogin: boolean | undefined;
  #loginCheckedAt = Number.NEGATIVE_INFINITY;
  #cancelCheck: Cancel | undefined;

  constructor(options: VisitorsOptions) {
    this.#options = options;
    // Not before the state is known: a visitor admitted in the unknown state must not use the token.
    const handle = options.routesWith(() => (this.#requiresLogin === false ? options.ownToken : undefined));
    const visitor = { user: undefined, session: undefined, handle };
    this.#anonymous = { visitor, checkedAt: 0, streams: new Set() };
  }

  /** Undefined until the admin API has responded once. */
  get requiresLogin(): boolean | undefined {
    return this.#requiresLogin;
  }

  /** The visitor without a session. */
  get anonymous(): Visitor {
    return this.#anonymous.visitor;
  }

  /** Undefined if a login is needed. */
  async admit(session: string | undefined): Promise<Visitor | undefined> {
    const entry = session === undefined ? undefined : await this.#check(session);
    if (entry) return entry.visitor;
    return (await this.#isPublic()) ? this.anonymous : undefined;
  }

  /**
   * For reads that all visitors share: the dashboard's own token, or else the session that was checked last. Undefined
   * until the login state is known.
   */
  get bearer(): string | undefined {
    if (this.#requiresLogin === undefined) return undefined;
    if (!this.#requiresLogin || this.#options.ownToken !== undefined) return this.#options.ownToken;
    return [...this.#known].toSorted(([, left], [, right]) => right.checkedAt - left.checkedAt)[0]?.[0];
  }

  /** Whether the visitor would still be admitted, without a new check. */
  isAdmitted({ session }: Visitor): boolean {
    return session === undefined ? this.#requiresLogin !== true : this.#known.has(session);
  }

  /** Returns the response, but ends a live stream when the visitor's access ends. */
  track(visitor: Visitor, response: Response): Response {
    const isLive = response.headers.get("content-type") === "text/event-stream";
    const entry = visitor.session === undefined ? this.#anonymous : this.#known.get(visitor.session);
    if (!isLive || !response.body || !entry) return response;
    const { stream, end } = closableStream(
      response.body,
      loggedOutEvent,
      () => void entry.streams.delete(end),
    );
    entry.streams.add(end);
    this.#cancelCheck ??= this.#options.schedule(checkMs, () => void this.#recheck());
    return new Response(stream, { status: response.status, headers: response.headers });
  }

  /** The response to a live stream request that needs a login first. */
  static loggedOutStream(): Response {
    return new Response(loggedOutEvent, {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" },
    });
  }

  forget(session: string): void {
    const entry = this.#known.get(session);
    this.#known.delete(session);
    endAll(entry);
  }

  close(): void {
    this.#cancelCheck?.();
    for (const entry of [this.#anonymous, ...this.#known.values()]) endAll(entry);
    this.#known.clear();
  }

  async #check(session: string): Promise<VisitorEntry | undefined> {
    const previous = this.#known.get(session);
    const { clock, client } = this.#options;
    if (previous && clock() - previous.checkedAt < freshMs) return previous;
    const loginState = await client.state(session);
    const now = clock();
    if (loginState.kind === "unknown")
      return previous && now - previous.checkedAt < maxStaleMs ? previous : undefined;
    this.#setLoginRequired(loginState.kind !== "open");
    if (loginState.kind !== "user") {
      this.forget(session);
      return undefined;
    }
    const { name, role } = loginState;
    // A concurrent request may have created the visitor during the await.
    const entry = this.#known.get(session) ?? this.#createVisitor(session);
    const { csrf } = entry.visitor.user ?? { csrf: derivedSecret(session, "csrf") };
    entry.visitor = { ...entry.visitor, user: { name, role, csrf } };
    entry.checkedAt = now;
    this.#known.delete(session);
    this.#known.set(session, entry);
    return entry;
  }

  #createVisitor(session: string): VisitorEntry {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= maxKnown && oldest !== undefined) this.forget(oldest);
    const visitor = { user: undefined, session, handle: this.#options.routesWith(() => session) };
    return { visitor, checkedAt: 0, streams: new Set() };
  }

  async #isPublic(): Promise<boolean> {
    const { clock, client, ownToken } = this.#options;
    if (this.#requiresLogin === undefined || clock() - this.#loginCheckedAt >= freshMs) {
      const loginState = await client.state(ownToken);
      if (loginState.kind !== "unknown") this.#setLoginRequired(loginState.kind !== "open");
    }
    return this.#requiresLogin !== true;
  }

  #setLoginRequired(requiresLogin: boolean): void {
    this.#requiresLogin = requiresLogin;
    this.#loginCheckedAt = this.#options.clock();
    if (requiresLogin) endAll(this.#anonymous);
  }

  /** Repeats while live streams are open. */
  async #recheck(): Promise<void> {
    if (this.#anonymous.streams.size > 0) await this.#isPublic();
    const streaming = [...this.#known].filter(([, { streams }]) => streams.size > 0);
    await Promise.all(streaming.map(([session]) => this.#check(session)));
    const isNeeded = [this.#anonymous, ...this.#known.values()].some(({ streams }) => streams.size > 0);
    this.#cancelCheck = isNeeded ? this.#options.schedule(checkMs, () => void this.#recheck()) : undefined;
  }
}

function endAll(entry: VisitorEntry | undefined): void {
  for (const end of entry?.streams ?? []) end();
}
