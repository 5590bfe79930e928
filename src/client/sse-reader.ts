/** Reads one stream of server-sent events until it ends. Plain node:http: fetch would send it through a proxy named in the environment. */

import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Cancel } from "../lib/clock.ts";

/** What ended a stream: an answer that was no stream, an error, or neither if it simply came to its end. */
export interface StreamEnd {
  readonly response?: { readonly status: number; readonly text: string };
  readonly error?: Error;
}

export interface EventReading {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly onOpen: () => void;
  readonly onEvent: (name: string, data: string) => void;
  /** Called once, and not after the reading was cancelled. */
  readonly onEnd: (end: StreamEnd) => void;
}

/** Characters; a record has its target and host cut at 2,048 each, so no event comes near this. */
const maxEvent = 1_000_000;

export function readEvents({ url, headers: fields, onOpen, onEvent, onEnd }: EventReading): Cancel {
  const send = url.protocol === "https:" ? requestSecure : requestPlain;
  let isOver = false;
  const headers = { ...fields, accept: "text/event-stream", connection: "close" };
  const request = send(url, { method: "GET", agent: false, headers });
  const end = (told: StreamEnd) => {
    if (isOver) return;
    isOver = true;
    onEnd(told);
    request.destroy();
  };
  request.on("error", (error) => end({ error }));
  request.on("response", (response) => {
    const { statusCode: status = 0 } = response;
    const isStream =
      status === 200 && (response.headers["content-type"] ?? "").startsWith("text/event-stream");
    let text = "";
    if (isStream) onOpen();
    response.setEncoding("utf8").on("data", (chunk: string) => {
      if (isOver) return;
      text += chunk;
      if (isStream) text = hearEvents(text, onEvent);
      if (text.length > maxEvent) end({ error: new Error("the answer is too long") });
    });
    const over = () => end(isStream ? {} : { response: { status, text } });
    response.on("end", over).on("aborted", over);
    response.on("error", (error) => end({ error }));
  });
  request.end();
  return () => {
    isOver = true;
    request.destroy();
  };
}

/** @returns what is not a whole event yet */
export function hearEvents(text: string, hear: (name: string, data: string) => void): string {
  const events = text.split(/\r?\n\r?\n/);
  const rest = events.pop() ?? "";
  for (const event of events) {
    let name = "message";
    const data: string[] = [];
    for (const line of event.split(/\r?\n/)) {
      const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (field === "event") name = value;
      if (field === "data") data.push(value);
    }
    if (data.length > 0) hear(name, data.join("\n"));
  }
  return rest;
}
