/** The arguments of `evenkeel dry-run`: a URL as a client would use it, and the rest of the request in flags. */

import { type Problem, quote } from "../config/problem.ts";

/** The body of the admin API's request, which validates it further. */
export interface DryRunCommand {
  readonly method: string;
  readonly host: string;
  /** Path and query as written: nothing is resolved or escaped, so that tricky paths can be tried. */
  readonly target: string;
  readonly scheme?: "http" | "https";
  readonly clientAddress?: string;
  readonly listener?: string;
  readonly headers: Readonly<Record<string, string>>;
}

export const dryRunFlags = [
  { name: "--method", value: "<method>", summary: "method of the request (default GET)", short: "-X" },
  {
    name: "--header",
    value: "<text>",
    summary: "a header, as 'Name: value'; may be given several times",
    short: "-H",
    isRepeatable: true,
  },
  { name: "--from", value: "<address>", summary: "address of the client (default 127.0.0.1)" },
  { name: "--listener", value: "<name>", summary: "listener that it comes to (default the first)" },
];

/** @param written raw values of the flags, by name */
export function readDryRun(
  url: string,
  written: ReadonlyMap<string, string>,
): { readonly command: DryRunCommand; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const found = /^(?:(https?):\/\/)?([^/?#@\s]+)([/?][^#]*)?(?:#.*)?$/i.exec(url);
  if (!found)
    problems.push({
      action: "use <url>",
      why: "expected a URL such as https://shop.example/cart",
      received: quote(url),
    });
  const [, scheme, host = "", target = "/"] = found ?? [];
  const headers: Record<string, string> = {};
  for (const line of written.get("--header")?.split("\n") ?? []) {
    const [, name, value = ""] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (name === undefined)
      problems.push({ action: "use --header", why: 'expected "Name: value"', received: quote(line) });
    else addHeader(headers, name.toLowerCase(), value);
  }
  const [from, listener] = [written.get("--from"), written.get("--listener")];
  const command = {
    method: (written.get("--method") ?? "GET").toUpperCase(),
    host: headers["host"] ?? host,
    target: target.startsWith("/") ? target : `/${target}`,
    ...(scheme !== undefined && ({ scheme: scheme.toLowerCase() === "https" ? "https" : "http" } as const)),
    ...(from !== undefined && { clientAddress: from }),
    ...(listener !== undefined && { listener }),
    headers,
  };
  return { command, problems };
}

/** Repeated fields are joined as a server reads them (RFC 9110 section 5.3, RFC 6265 section 5.4). */
function addHeader(headers: Record<string, string>, name: string, value: string): void {
  const before = Object.hasOwn(headers, name) ? headers[name] : undefined;
  headers[name] = before === undefined ? value : before + (name === "cookie" ? "; " : ", ") + value;
}
