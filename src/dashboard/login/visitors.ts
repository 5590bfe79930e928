/** Who looks at this dashboard: asks the admin API about each session, and ends what a session that is over still holds. */

import type { Cancel, Clock, Schedule } from "../../lib/clock.ts";
import { closableStream } from "../../lib/ending-stream.ts";
import { derivedSecret } from "../../lib/secret.ts";
import { eventOf } from "../live.ts";
import type { LoginClient } from "./login-client.ts";
import type { Person } from "./marks.tsx";

/** One person's browser, or everybody where nobody logs in. */
export interface Visitor {
  /** Undefined where nobody logs in. */
  readonly person: Person | undefined;
  readonly session: string | undefined;
  /** The dashboard's routes, which speak to the admin API with this visitor's right and no other. */
  readonly answer: (request: Request) => Promise<Response>;
}

export interface VisitorsOptions {
  readonly client: Pick<LoginClient, "standing">;
  /** The dashboard's own; lent to visitors only where nobody logs in. */
  readonly ownToken: string | undefined;
  readonly routesWith: (bearer: () => string | undefined) => Visitor["answer"];
  readonly clock: Clock;
  readonly schedule: Schedule;
}

interface Known {
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
const mostKnown = 256;

/** The page's script goes to the login on it. */
const farewell = new TextEncoder().encode(eventOf("{}", "loggedout"));

export class Visitors {
  readonly #options: VisitorsOptions;
  /** Who was seen last comes last. */
  readonly #known = new Map<string, Known>();
  readonly #everybody: Known;
  #isClosed: boolean | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;
  #cancelCheck: Cancel | undefined;

  constructor(options: VisitorsOptions) {
    this.#options = options;
    // Not before it is known: who came in while nobody could say must not act with it.
    const answer = options.routesWith(() => (this.#isClosed === false ? options.ownToken : undefined));
    const visitor = { person: undefined, session: undefined, answer };
    this.#everybody = { visitor, checkedAt: 0, streams: new Set() };
  }

  /** Whether people log in; undefined until the admin API has said so once. */
  get isClosed(): boolean | undefined {
    return this.#isClosed;
  }

  /** For what nobody has to log in for. */
  get everybody(): Visitor {
    return this.#everybody.visitor;
  }

  /** Undefined if a login is needed. */
  async admit(session: string | undefined): Promise<Visitor | undefined> {
    const known = session === undefined ? undefined : await this.#ask(session);
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
  hold(visitor: Visitor, answer: Response): Response {
    const isLive = answer.headers.get("content-type") === "text/event-stream";
    const known = visitor.session === undefined ? this.#everybody : this.#known.get(visitor.session);
    if (!isLive || !answer.body || !known) return answer;
    const { stream, end } = closableStream(answer.body, farewell, () => void known.streams.delete(end));
    known.streams.add(end);
    this.#cancelCheck ??= this.#options.schedule(checkMs, () => void this.#check());
    return new Response(stream, { status: answer.status, headers: answer.headers });
  }

  /** What a live stream says to whom it is not for. */
  static farewell(): Response {
    return new Response(farewell, {
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
    for (const known of [this.#everybody, ...this.#known.values()]) endAll(known);
    this.#known.clear();
  }

  async #ask(session: string): Promise<Known | undefined> {
    const before = this.#known.get(session);
    const { clock, client } = this.#options;
    if (before && clock() - before.checkedAt < freshMs) return before;
    const standing = await client.standing(session);
    const now = clock();
    if (standing.kind === "unknown") return before && now - before.checkedAt < trustMs ? before : undefined;
    this.#tell(standing.kind !== "open");
    if (standing.kind !== "user") {
      this.forget(session);
      return undefined;
    }
    const { name, role } = standing;
    // Another request may have come this far while this one waited.
    const known = this.#known.get(session) ?? this.#welcome(session);
    const { csrf } = known.visitor.person ?? { csrf: derivedSecret(session, "csrf") };
    known.visitor = { ...known.visitor, person: { name, role, csrf } };
    known.checkedAt = now;
    this.#known.delete(session);
    this.#known.set(session, known);
    return known;
  }

  #welcome(session: string): Known {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= mostKnown && oldest !== undefined) this.forget(oldest);
    const visitor = { person: undefined, session, answer: this.#options.routesWith(() => session) };
    return { visitor, checkedAt: 0, streams: new Set() };
  }

  async #isOpen(): Promise<boolean> {
    const { clock, client, ownToken } = this.#options;
    if (this.#isClosed === undefined || clock() - this.#toldAt >= freshMs) {
      const standing = await client.standing(ownToken);
      if (standing.kind !== "unknown") this.#tell(standing.kind !== "open");
    }
    return this.#isClosed !== true;
  }

  #tell(isClosed: boolean): void {
    this.#isClosed = isClosed;
    this.#toldAt = this.#options.clock();
    if (isClosed) endAll(this.#everybody);
  }

  /** As long as somebody looks. */
  async #check(): Promise<void> {
    if (this.#everybody.streams.size > 0) await this.#isOpen();
    const looking = [...this.#known].filter(([, { streams }]) => streams.size > 0);
    await Promise.all(looking.map(([session]) => this.#ask(session)));
    const isNeeded = [this.#everybody, ...this.#known.values()].some(({ streams }) => streams.size > 0);
    this.#cancelCheck = isNeeded ? this.#options.schedule(checkMs, () => void this.#check()) : undefined;
  }
}

function endAll(known: Known | undefined): void {
  for (const end of known?.streams ?? []) end();
}
