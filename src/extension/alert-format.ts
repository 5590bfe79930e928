/** An alert, and the interface of a format that turns it into a request body. */

import type { ServiceProblem } from "../problems/problem.ts";

/** `test` is sent by an operator to see whether a receiver answers. */
export const alertTypes = ["problem.opened", "problem.worse", "problem.closed", "test"] as const;

export type AlertType = (typeof alertTypes)[number];

/** One change of one problem. */
export interface Alert {
  readonly type: AlertType;
  /**
   * "fra-1/p-4811x/2": the same in each try to deliver it, and in no other alert for this receiver. What stands before the last slash is
   * the same in all alerts about a problem, whichever balancer of a fleet sends them.
   */
  readonly key: string;
  /** Name of the balancer that sends it. */
  readonly balancer: string;
  /** When it changed: RFC 3339 in UTC. */
  readonly at: string;
  /** Page of the problem in the dashboard; null where the configuration does not say where people reach that. */
  readonly url: string | null;
  /** As it was then, as in `GET /api/problems`. */
  readonly problem: ServiceProblem;
}

/** What is sent: a POST request with this body. */
export interface AlertMessage {
  readonly body: string;
  /** Default: application/json. */
  readonly contentType?: string;
  /** Further header fields, such as credentials. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AlertFormatContext {
  /** Content of the receiver's `secretFile`; undefined without one. */
  readonly secret: string | undefined;
}

/**
 * Makes the request for a receiver. It is called before each try, must return at once, and gives the same body for the same
 * alert. Where it throws, or returns something else, the generic JSON is sent in its place.
 */
export type AlertFormat = (alert: Alert, context: AlertFormatContext) => AlertMessage;
