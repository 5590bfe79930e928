/** The allow and deny filters: which clients are served, by their addresses. */

import type { RequestFilter } from "../proxy/filter.ts";
import { refusal } from "../proxy/refusal.ts";

export type AddressMatcher = (address: string) => boolean;

/** Refuses the clients that match. */
export function createDeny(isDenied: AddressMatcher): RequestFilter {
  return {
    name: "deny",
    admit: ({ head }) => (isDenied(head.clientAddress) ? refusal("denied") : undefined),
    foresee({ head: { clientAddress } }) {
      const isListed = isDenied(clientAddress);
      return {
        ...(isListed ? { verdict: "answers", refusal: "denied" } : { verdict: "passes" }),
        why: `${clientAddress} is ${isListed ? "" : "not "}in the list`,
      };
    },
  };
}

/** Refuses the clients that do not match; also one whose address cannot be read. */
export function createAllow(isAllowed: AddressMatcher): RequestFilter {
  return {
    name: "allow",
    admit: ({ head }) => (isAllowed(head.clientAddress) ? undefined : refusal("denied")),
    foresee({ head: { clientAddress } }) {
      const isListed = isAllowed(clientAddress);
      return {
        ...(isListed ? { verdict: "passes" } : { verdict: "answers", refusal: "denied" }),
        why: `${clientAddress} is ${isListed ? "" : "not "}in the list`,
      };
    },
  };
}
