/** Passes an upstream's answer on to the client, and ends the attempt when its last byte went or when it cannot. */

import { type Schedule, systemSchedule } from "../../lib/clock.ts";
import type { Attempt } from "../../pool/attempt.ts";
import { cancelled, type Failure, failure, type Outcome, responded } from "../../pool/outcome.ts";
import type { AttemptWatch } from "./attempt-watch.ts";
import { endToEnd } from "./fields.ts";
import type { Incoming } from "./forward.ts";
import { bufferedBytes } from "./request-body.ts";

export interface AnswerSetting {
  readonly attempt: Attempt;
  readonly bodyIdleMs: number;
  readonly isHead: boolean;
  readonly watch: AttemptWatch;
}

const withoutBody: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * The response for the client; or, if a small body broke off before anything was passed on, how the attempt failed.
 * The attempt has ended when this resolves, or ends with the body's stream.
 */
export async function answerClient(incoming: Incoming, setting: AnswerSetting): Promise<Response | Failure> {
  const { attempt, isHead } = setting;
  const init = { status: incoming.status, statusText: incoming.statusText, headers: endToEnd(incoming.fields) };
  if (incoming.body === null || isHead || withoutBody.has(incoming.status)) {
    await incoming.body?.cancel();
    attempt.end(responded);
    return new Response(null, init);
  }
  const pieces = new AnswerBody(incoming.body, setting);
  if (!isSmall(init.headers)) return new Response(pieces.stream(), init);
  const whole = await pieces.whole(Number(init.headers.get("content-length")));
  return whole instanceof Uint8Array ? new Response(whole, init) : whole;
}

/** Known to fit the buffer; without Content-Type the listener would invent one for a buffered body. */
function isSmall(fields: Headers): boolean {
  const length = fields.get("content-length");
  return length !== null && Number(length) <= bufferedBytes && fields.has("content-type");
}

/** What both runtimes' readers have in common. */
interface PieceReader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
}

/** Reads an answer's body piece by piece, with a limit on the time between two pieces. */
class AnswerBody {
  readonly #reader: PieceReader;
  readonly #setting: AnswerSetting;
  readonly #schedule: Schedule;
  #isLate = false;

  constructor(body: ReadableStream<Uint8Array>, setting: AnswerSetting, schedule = systemSchedule) {
    this.#reader = body.getReader();
    this.#setting = setting;
    this.#schedule = schedule;
  }

  /** All of it; the attempt has ended then. */
  async whole(length: number): Promise<Uint8Array<ArrayBuffer> | Failure> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    try {
      for (;;) {
        const { done, value } = await this.#read();
        if (done || !value) break;
        bytes.set(value, filled);
        filled += value.length;
      }
    } catch (error) {
      const outcome = this.#broken(error);
      this.#setting.attempt.end(outcome);
      return outcome.kind === "failure" ? outcome : failure("body", "body_truncated", "client gone");
    }
    this.#setting.attempt.end(responded);
    return bytes;
  }

  /** Piece by piece as the client takes them; the attempt ends with the last one, with a fault, or with the client. */
  stream(): ReadableStream<Uint8Array> {
    const { attempt, watch } = this.#setting;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const { done, value } = await this.#read();
            if (!done && value) return controller.enqueue(value);
            attempt.end(responded);
            controller.close();
          } catch (error) {
            attempt.end(this.#broken(error));
            // The listener resets the client's connection; an error with a value would also be printed.
            controller.error(undefined);
          }
        },
        cancel: () => {
          attempt.end(cancelled);
          watch.abort();
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #read() {
    const stop = this.#schedule(this.#setting.bodyIdleMs, () => {
      this.#isLate = true;
      this.#setting.watch.abort();
    });
    try {
      return await this.#reader.read();
    } finally {
      stop();
    }
  }

  #broken(error: unknown): Outcome {
    if (this.#setting.watch.isClientGone) return cancelled;
    return this.#isLate ? failure("body", "body_timeout") : failure("body", "body_truncated", String(error));
  }
}
