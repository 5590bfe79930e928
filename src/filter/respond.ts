/** Answers all requests of a route with one response, as a page about maintenance or a security.txt. */

import type { RequestFilter } from "../proxy/filter.ts";
import { type LocalReply, refusal, withoutBody } from "../proxy/refusal.ts";

/** With at most one body. */
export interface RespondSettings {
  readonly status?: number;
  readonly text?: string;
  readonly json?: unknown;
  /** Content of a file, and its name, whose ending tells the type. */
  readonly file?: { readonly name: string; readonly content: string };
  readonly retryAfterSeconds?: number;
}

const plainText = "text/plain; charset=utf-8";

/** By the ending of the file. Other files have text that no browser shows as a page. */
const types: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  htm: "text/html; charset=utf-8",
  html: "text/html; charset=utf-8",
  ics: "text/calendar; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  md: "text/markdown; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  txt: plainText,
  webmanifest: "application/manifest+json",
  xml: "application/xml",
};

export function mediaTypeOf(fileName: string): string {
  const ending = /\.([^./\\]+)$/.exec(fileName)?.[1]?.toLowerCase() ?? "";
  return (Object.hasOwn(types, ending) && types[ending]) || "application/octet-stream";
}

export function createRespond({ status = 200, retryAfterSeconds, ...body }: RespondSettings): RequestFilter {
  const { type, content } = contentOf(body);
  const isEmpty = withoutBody.includes(status);
  const reply: LocalReply = {
    ...refusal("responded", status),
    reply: {
      headers: [
        ...(isEmpty ? [] : [["Content-Type", type] as const]),
        ...(retryAfterSeconds === undefined ? [] : [["Retry-After", String(retryAfterSeconds)] as const]),
      ],
      body: isEmpty ? "" : content,
    },
  };
  return {
    name: "respond",
    admit: () => reply,
    foresee: () => ({ verdict: "answers", why: `with status ${status}` }),
  };
}

function contentOf({ text, json, file }: Pick<RespondSettings, "text" | "json" | "file">): {
  readonly type: string;
  readonly content: string;
} {
  if (file) return { type: mediaTypeOf(file.name), content: file.content };
  if (json !== undefined) return { type: "application/json", content: `${JSON.stringify(json)}\n` };
  return { type: plainText, content: text ?? "" };
}
