/** Who listens to a stream of server-sent events: lets so many in, gives each what it reads, and cuts whoever reads nothing. */

import { type Cancel, repeat, type Schedule } from "../lib/clock.ts";

export interface SseClientsOptions {
  /** More at one time is a mistake or an attack. */
  readonly maxClients: number;
  /** Bytes that wait for one reader before it gets nothing more. */
  readonly maxWaitingBytes: number;
  readonly schedule: Schedule;
  /** The first one comes; what this returns is called when the last one has gone. */
  readonly begin: () => Cancel;
}

const beatMs = 15_000;

/** Whoever reads nothing for this many beats is cut: it may come back. */
const maxMissedBeats = 2;

const encoder = new TextEncoder();

/** The first bytes, so that the head leaves at once; browsers that are cut come back after a second. */
const greeting = encoder.encode("retry: 1000\n\n");
const heartbeat = encoder.encode(":\n\n");

/** One of them. */
export class SseClient<State> {
  /** What it asked for, and how far it has got. */
  readonly state: State;
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  /** Beats in a row for which it had not read what it has. */
  #missedBeats = 0;

  constructor(state: State, controller: ReadableStreamDefaultController<Uint8Array>) {
    this.state = state;
    this.#controller = controller;
  }

  /** Whether it reads fast enough to get more. */
  get isReady(): boolean {
    return (this.#controller.desiredSize ?? 0) > 0;
  }

  /** Whether it could be sent: a reader that is behind gets nothing new. */
  send(bytes: Uint8Array | string): boolean {
    const { isReady } = this;
    if (isReady) this.#controller.enqueue(typeof bytes === "string" ? encoder.encode(bytes) : bytes);
    return isReady;
  }

  /** False if it has read nothing for too long. */
  beat(): boolean {
    this.#missedBeats = this.send(heartbeat) ? 0 : this.#missedBeats + 1;
    return this.#missedBeats < maxMissedBeats;
  }

  cut(): void {
    this.#controller.error(new Error("Cannot go on: the listener does not read"));
  }
}

/** What a stream does for one listener apart from all others. */
export interface SseGreeting<State> {
  /** It comes: what it is sent now stands before all that happens later. */
  readonly joins?: (listener: SseClient<State>) => void;
  /** It has room, from the beginning or again. */
  readonly wants?: (listener: SseClient<State>) => void;
}

/** `resting ──first listener──▶ beating ──last one gone──▶ resting` */
export class SseClients<State> {
  readonly #options: SseClientsOptions;
  readonly #all = new Set<SseClient<State>>();
  #cancels: readonly Cancel[] = [];

  constructor(options: SseClientsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.size;
  }

  has(listener: SseClient<State>): boolean {
    return this.#all.has(listener);
  }

  [Symbol.iterator](): Iterator<SseClient<State>> {
    return this.#all.values();
  }

  /** Undefined if too many listen already. */
  open(state: () => State, { joins, wants }: SseGreeting<State>): ReadableStream<Uint8Array> | undefined {
    const { maxClients: most, maxWaitingBytes } = this.#options;
    if (this.#all.size >= most) return undefined;
    let listener: SseClient<State> | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          listener = new SseClient(state(), controller);
          listener.send(greeting);
          joins?.(listener);
          this.#join(listener);
        },
        pull: () => listener && wants?.(listener),
        cancel: () => listener && this.#leave(listener),
      },
      { highWaterMark: maxWaitingBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  #join(listener: SseClient<State>): void {
    this.#all.add(listener);
    if (this.#all.size > 1) return;
    const { schedule, begin } = this.#options;
    this.#cancels = [begin(), repeat(schedule, beatMs, () => this.#beat())];
  }

  #beat(): void {
    for (const listener of this.#all) {
      if (listener.beat()) continue;
      this.#leave(listener);
      listener.cut();
    }
  }

  #leave(listener: SseClient<State>): void {
    if (!this.#all.delete(listener) || this.#all.size > 0) return;
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }
}
