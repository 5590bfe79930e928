/** Sends the clients of a route somewhere else. */

import type { FilteredRequest, RequestFilter } from "../proxy/filter.ts";
import { refusal } from "../proxy/refusal.ts";
import { escapeBeyondAscii } from "../proxy/request-path.ts";
import { compileTemplate, parseTemplate } from "./template.ts";
import { queryIn } from "./variables.ts";

export interface RedirectSettings {
  /** An absolute path, which keeps host and scheme, or an absolute URL. May have variables. */
  readonly to: string;
  readonly status?: number;
}

/** The method and the body stay the same (RFC 9110 section 15.4.9). */
const defaultStatus = 308;

/** The query of the request is kept, unless the address has one of its own. */
export function createRedirect({ to, status = defaultStatus }: RedirectSettings): RequestFilter {
  const hash = to.indexOf("#");
  const [address, fragment] = hash < 0 ? [to, ""] : [to.slice(0, hash), to.slice(hash)];
  const start = compileTemplate(address, { encodeText: escapeBeyondAscii });
  const end = compileTemplate(fragment, { encodeText: escapeBeyondAscii });
  const keepsQuery = !hasQuery(address);
  const isPath = !/^https?:\/\//i.test(to);
  const locationOf = (request: FilteredRequest): string | undefined => {
    const query = keepsQuery ? queryIn(request.head) : "";
    const location = start.write(request) + (query === "" ? "" : `?${query}`) + end.write(request);
    // A browser would read what follows two slashes as a host.
    return isPath && !/^\/(?![/\\])/.test(location) ? undefined : location;
  };
  return {
    name: "redirect",
    foresee(request) {
      const location = locationOf(request);
      const refused = location === undefined && ({ refusal: "path_ambiguous" } as const);
      return { verdict: "answers", ...refused, why: `with ${status} to ${location ?? "no address"}` };
    },
    admit(request) {
      const location = locationOf(request);
      if (location === undefined) return refusal("path_ambiguous");
      return {
        ...refusal("redirected", status),
        reply: {
          headers: [
            ["Location", location],
            ["Content-Type", "text/plain; charset=utf-8"],
          ],
          body: `${status} redirected: see the Location header.\n`,
        },
      };
    },
  };
}

function hasQuery(address: string): boolean {
  return parseTemplate(address).parts.some(
    ({ text, name }) => text?.includes("?") || name === "target" || name === "query",
  );
}
