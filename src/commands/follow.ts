/** Reads the admin API's stream of events for as long as anybody wants, also over restarts of the balancer. */

import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Ask } from "../cli/companions.ts";
import { sleep } from "../lib/clock.ts";
import type { Event } from "../state/event.ts";
import { type Failed, fieldsOf, parsed, refused, unreachable } from "./admin-call.ts";

export interface Following {
  readonly ask: Ask;
  readonly actor: string;
  readonly upstream: string | undefined;
  /** Begins after the event with this number. */
  readonly after: number;
  readonly onEvent: (event: Event) => void;
  /** Hears that the stream has ended and will be opened again. */
  readonly onLoss: () => void;
}

const pauseMs = 1_000;

/** Resolves when it is refused; rejects never. That nobody answers does not end it: whoever follows has seen events. */
export async function follow(following: Following): Promise<Failed> {
  let { after } = following;
  let isLost = false;
  for (;;) {
    const { wasOpen, failed } = await read(following, after, (event) => {
      after = event.seq;
      following.onEvent(event);
    });
    if (failed && failed.exitCode !== 3) return failed;
    if (wasOpen || !isLost) following.onLoss();
    isLost = true;
    await sleep(pauseMs);
  }
}

interface End {
  readonly wasOpen: boolean;
  readonly failed?: Failed;
}

function read(
  { ask, actor, upstream }: Following,
  after: number,
  hear: (event: Event) => void,
): Promise<End> {
  const query = new URLSearchParams({ after: String(after), ...(upstream !== undefined && { upstream }) });
  const url = new URL(`${ask.adminUrl}/api/stream?${query}`);
  const send = url.protocol === "https:" ? requestSecure : requestPlain;
  return new Promise((resolve) => {
    const request = send(url, {
      agent: false,
      headers: { ...fieldsOf(ask, actor), accept: "text/event-stream" },
    });
    request.on("error", (error) => resolve({ wasOpen: false, failed: unreachable(ask, error) }));
    request.on("response", (response) => {
      let text = "";
      const isOpen = response.statusCode === 200;
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (isOpen) text = hearMessages(text, hear);
      });
      const end = () => resolve(isOpen ? { wasOpen: true } : notOpen(response.statusCode ?? 0, text));
      response.on("end", end).on("error", end).on("aborted", end);
    });
    request.end();
  });
}

/** A balancer that is full says so and may have room later. */
function notOpen(status: number, text: string): End {
  const failed = refused(status, parsed(text));
  return { wasOpen: false, failed: status === 503 ? { ...failed, exitCode: 3 } : failed };
}

/** @returns what is not a whole message yet */
function hearMessages(text: string, hear: (event: Event) => void): string {
  const messages = text.split("\n\n");
  const rest = messages.pop() ?? "";
  for (const message of messages) {
    const data = /^event: event\n(?:.*\n)*?data: (.*)$/m.exec(message)?.[1];
    const event = data === undefined ? undefined : parsed(data);
    if (event !== undefined) hear(event as Event);
  }
  return rest;
}
