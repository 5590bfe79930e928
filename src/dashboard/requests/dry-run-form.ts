/** What somebody typed into the form of the dry run, and what of it cannot be asked. */

import type { DryRunRequest } from "../../requests/request.ts";

export interface DryRunForm {
  readonly method: string;
  readonly host: string;
  readonly target: string;
  readonly clientAddress: string;
  /** Header lines as in a request. */
  readonly headers: string;
}

export const emptyForm: DryRunForm = {
  method: "GET",
  host: "",
  target: "/",
  clientAddress: "127.0.0.1",
  headers: "",
};

/** Characters; a longer target is refused by the balancer itself. */
const maxChars = 8_192;

export function formIn(given: URLSearchParams): DryRunForm {
  const text = (name: keyof DryRunForm) => (given.get(name) ?? emptyForm[name]).trim().slice(0, maxChars);
  return {
    method: text("method").toUpperCase(),
    host: text("host"),
    target: text("target"),
    clientAddress: text("clientAddress"),
    headers: text("headers"),
  };
}

export function askOf(
  form: DryRunForm,
): { readonly ask: DryRunRequest } | { readonly problems: readonly string[] } {
  const { method, host, target, clientAddress } = form;
  const problems: string[] = [];
  const headers: Record<string, string> = {};
  for (const line of form.headers.split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const [, name = "", value = ""] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*)$/.exec(line) ?? [];
    const key = name.toLowerCase();
    if (key === "") problems.push(`a header line needs a name and a colon, received "${line.slice(0, 80)}"`);
    // RFC 9110 section 5.3; cookies are joined in their own way (RFC 6265 section 5.4).
    else if (Object.hasOwn(headers, key)) headers[key] += (key === "cookie" ? "; " : ", ") + value.trim();
    else headers[key] = value.trim();
  }
  if (host === "") problems.push("the host is missing");
  if (!target.startsWith("/")) problems.push(`the target begins with /, received "${target.slice(0, 80)}"`);
  if (method === "") problems.push("the method is missing");
  if (problems.length > 0) return { problems };
  return { ask: { method, host, target, clientAddress, headers } };
}
