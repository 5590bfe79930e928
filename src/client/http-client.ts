/** Sends one HTTP request to the admin API. Uses node:http: fetch would go through a proxy named in the environment. */

import { request as requestPlain } from "node:http";
import { request as requestSecure } from "node:https";
import { type Schedule, systemSchedule } from "../lib/clock.ts";

export interface WebRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMs: number;
}

export interface WebResponse {
  readonly status: number;
  readonly text: string;
}

/** A snapshot of 10,000 upstreams has about 5 MB. */
const maxResponseBytes = 32 * 1024 * 1024;

/** Rejects with an `Error` that carries the system's `code`; ETIMEDOUT if the response is not complete in time. */
export function exchangeWeb(
  webRequest: WebRequest,
  schedule: Schedule = systemSchedule,
): Promise<WebResponse> {
  const { method, url, body, timeoutMs } = webRequest;
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? requestSecure : requestPlain;
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
    // One connection per request: a reused one would fail once after every restart of the balancer.
    const headers = { ...webRequest.headers, ...length, connection: "close" };
    const request = send(url, { method, agent: false, headers });
    const fail = (error: Error) => {
      cancel();
      reject(error);
      request.destroy();
    };
    const cancel = schedule(timeoutMs, () => fail(coded("ETIMEDOUT")));
    request.on("error", fail);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxResponseBytes) return fail(coded("EMSGSIZE"));
        chunks.push(chunk);
      });
      response.on("error", fail);
      response.on("aborted", () => fail(coded("ECONNRESET")));
      response.on("end", () => {
        cancel();
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") });
      });
    });
    request.end(body);
  });
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}

const messages: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EMSGSIZE: "response too large",
  ENOTFOUND: "host name not found",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "timed out",
};

/** The system's error as a phrase for people. */
export function describeError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return messages[code] ?? (code || (error instanceof Error ? error.message : String(error)));
}
