/** Reads one stream of server-sent events until it ends. Uses node:http: fetch would go through a proxy named in the environment. */

import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import type { Cancel } from "../lib/clock.ts";

/** Why a stream ended: a response that was not a stream, an error, or neither if the server ended it. */
export interface StreamEnd {
  readonly response?: { readonly status: number; readonly text: string };
  readonly error?: Error;
}

export interface EventReading {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly onOpen: () => void;
  readonly onEvent: (name: string, data: string) => void;
  /** Called once; not called after the returned function cancelled the reading. */
  readonly onEnd: (end: StreamEnd) => void;
}

/** In characters. Far above any event: target and host of a request record are cut at 2,048 each. */
const maxEvent = 1_000_000;

/** @returns a function that cancels the reading */
export function readEvents({ url, headers: given, onOpen, onEvent, onEnd }: EventReading): Cancel {
  const send = url.protocol === "https:" ? requestSecure : requestPlain;
  let isOver = false;
  const headers = { ...given, accept: "text/event-stream", connection: "close" };
  const request = send(url, { method: "GET", agent: false, headers });
  const end = (result: StreamEnd) => {
    if (isOver) return;
    isOver = true;
    onEnd(result);
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
      if (isStream) text = parseEvents(text, onEvent);
      if (text.length > maxEvent) end({ error: new Error("response too large") });
    });
    const ended = () => end(isStream ? {} : { response: { status, text } });
    response.on("end", ended).on("aborted", ended);
    response.on("error", (error) => end({ error }));
  });
  request.end();
  return () => {
    isOver = true;
    request.destroy();
  };
}

/** Calls `onEvent` for each complete event. @returns the rest, an incomplete event */
export function parseEvents(text: string, onEvent: (name: string, data: string) => void): string {
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
    if (data.length > 0) onEvent(name, data.join("\n"));
  }
  return rest;
}
