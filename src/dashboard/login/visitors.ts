/** Who looks at this dashboard: asks the admin API about each session, and ends what a session that is over still holds. */

import type { Cancel, Clock, Schedule } from "../../lib/clock.ts";
import { closableStream } from "../../lib/closable-stream.ts";
import { derivedSecret } from "../../lib/secrets.ts";
import { eventOf } from "../live/sse.ts";
import type { LoginClient } from "./login-client.ts";
import type { Person } from "./placeholders.tsx";

/** One person's browser, or everybody where nobody logs in. */
export interface Visitor {
  /** Undefined where nobody logs in. */
  readonly person: Person | undefined;
  readonly session: string | undefined;
  /** The dashboard's routes, which speak to the admin API with this visitor's right and no other. */
  readonly answer: (request: Request) => Promise<Response>;
}

export interface VisitorsOptions {
  readonly client: Pick<LoginClient, "state">;
  /** The dashboard's own; lent to visitors only where nobody logs in. */
  readonly ownToken: string | undefined;
  readonly routesWith: (bearer: () => string | undefined) => Visitor["answer"];
  readonly clock: Clock;
  readonly schedule: Schedule;
}

interface KnownVisitor {
  visitor: Visitor;
  /** When the admin API last said so. */
  checkedAt: number;
  readonly streams: Set<() => void>;
}

/** A page asks several times in a moment. Writes are judged by the admin API itself, however fresh this is. */
const freshMs = 1_000;

/** How long a live stream may outlast its session. */
const checkMs = 2_000;

/** Without an answer from the admin API the last one counts for so long; it has nothing new to show then. */
const trustMs = 30 * 60_000;

/** As many as the admin API keeps sessions. */
const maxKnown = 256;

/** The page's script goes to the login on it. */
const closingNotice = new TextEncoder().encode(eventOf("{}", "loggedout"));

export class Visitors {
  readonly #options: VisitorsOptions;
  /** Who was seen last comes last. */
  readonly #known = new Map<string, KnownVisitor>();
  readonly #visitors: KnownVisitor;
  #isClosed: boolean | undefined;
  #notifiedAt = Number.NEGATIVE_INFINITY;
  #cancelCheck: Cancel | undefined;

  constructor(options: VisitorsOptions) {
    this.#options = options;
    // Not before it is known: who came in while nobody could say must not act with it.
    const response = options.routesWith(() => (this.#isClosed === false ? options.ownToken : undefined));
    const visitor = { person: undefined, session: undefined, answer: response };
    this.#visitors = { visitor, checkedAt: 0, streams: new Set() };
  }

  /** Whether people log in; undefined until the admin API has said so once. */
  get isClosed(): boolean | undefined {
    return this.#isClosed;
  }

  /** For what nobody has to log in for. */
  get everybody(): Visitor {
    return this.#visitors.visitor;
  }

  /** Undefined if a login is needed. */
  async admit(session: string | undefined): Promise<Visitor | undefined> {
    const known = session === undefined ? undefined : await this.#check(session);
    if (known) return known.visitor;
    return (await this.#isOpen()) ? this.everybody : undefined;
  }

  /** For reading what all see alike: the dashboard's own, or a visitor's. Nobody's until it is known who may see it. */
  get bearer(): string | undefined {
    if (this.#isClosed === undefined) return undefined;
    if (!this.#isClosed || this.#options.ownToken !== undefined) return this.#options.ownToken;
    return [...this.#known].toSorted(([, left], [, right]) => right.checkedAt - left.checkedAt)[0]?.[0];
  }

  /** Whether this visitor would still be let in, as far as is known now. */
  isWelcome({ session }: Visitor): boolean {
    return session === undefined ? this.#isClosed !== true : this.#known.has(session);
  }

  /** The same answer; a live stream ends with what lets the visitor see it. */
  hold(visitor: Visitor, response: Response): Response {
    const isLive = response.headers.get("content-type") === "text/event-stream";
    const known = visitor.session === undefined ? this.#visitors : this.#known.get(visitor.session);
    if (!isLive || !response.body || !known) return response;
    const { stream, end } = closableStream(
      response.body,
      closingNotice,
      () => void known.streams.delete(end),
    );
    known.streams.add(end);
    this.#cancelCheck ??= this.#options.schedule(checkMs, () => void this.#recheck());
    return new Response(stream, { status: response.status, headers: response.headers });
  }

  /** What a live stream says to whom it is not for. */
  static notifyClosing(): Response {
    return new Response(closingNotice, {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" },
    });
  }

  forget(session: string): void {
    const known = this.#known.get(session);
    this.#known.delete(session);
    endAll(known);
  }

  close(): void {
    this.#cancelCheck?.();
    for (const known of [this.#visitors, ...this.#known.values()]) endAll(known);
    this.#known.clear();
  }

  async #check(session: string): Promise<KnownVisitor | undefined> {
    const before = this.#known.get(session);
    const { clock, client } = this.#options;
    if (before && clock() - before.checkedAt < freshMs) return before;
    const loginState = await client.state(session);
    const now = clock();
    if (loginState.kind === "unknown") return before && now - before.checkedAt < trustMs ? before : undefined;
    this.#notify(loginState.kind !== "open");
    if (loginState.kind !== "user") {
      this.forget(session);
      return undefined;
    }
    const { name, role } = loginState;
    // Another request may have come this far while this one waited.
    const known = this.#known.get(session) ?? this.#greet(session);
    const { csrf } = known.visitor.person ?? { csrf: derivedSecret(session, "csrf") };
    known.visitor = { ...known.visitor, person: { name, role, csrf } };
    known.checkedAt = now;
    this.#known.delete(session);
    this.#known.set(session, known);
    return known;
  }

  #greet(session: string): KnownVisitor {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= maxKnown && oldest !== undefined) this.forget(oldest);
    const visitor = { person: undefined, session, answer: this.#options.routesWith(() => session) };
    return { visitor, checkedAt: 0, streams: new Set() };
  }

  async #isOpen(): Promise<boolean> {
    const { clock, client, ownToken } = this.#options;
    if (this.#isClosed === undefined || clock() - this.#notifiedAt >= freshMs) {
      const loginState = await client.state(ownToken);
      if (loginState.kind !== "unknown") this.#notify(loginState.kind !== "open");
    }
    return this.#isClosed !== true;
  }

  #notify(isClosed: boolean): void {
    this.#isClosed = isClosed;
    this.#notifiedAt = this.#options.clock();
    if (isClosed) endAll(this.#visitors);
  }

  /** As long as somebody looks. */
  async #recheck(): Promise<void> {
    if (this.#visitors.streams.size > 0) await this.#isOpen();
    const looking = [...this.#known].filter(([, { streams }]) => streams.size > 0);
    await Promise.all(looking.map(([session]) => this.#check(session)));
    const isNeeded = [this.#visitors, ...this.#known.values()].some(({ streams }) => streams.size > 0);
    this.#cancelCheck = isNeeded ? this.#options.schedule(checkMs, () => void this.#recheck()) : undefined;
  }
}

function endAll(known: KnownVisitor | undefined): void {
  for (const end of known?.streams ?? []) end();
}
