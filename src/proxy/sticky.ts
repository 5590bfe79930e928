/** Sticky clients: a cookie names the upstream that served a client, and its next requests go there. */

import type { Pool } from "../pool/pool.ts";
import type { Upstream } from "../pool/upstream.ts";
import { cookieOf } from "./hash-key.ts";
import type { FilteredRequest } from "./filter.ts";
import { isSecureClient } from "./request-head.ts";

/** The cookie of a pool whose clients stay with their upstreams. */
export interface Sticky {
  readonly cookieName: string;
  /** Whether clients of a draining upstream stay until shortly before its deadline; else they move at once. */
  readonly keepsWhileDraining: boolean;
  /** @returns the upstream that this value of the cookie names; undefined for a value that was not made here */
  upstreamOf(value: string): Upstream | undefined;
  /** @returns the value of a Set-Cookie field that names the upstream; undefined if it is not of the pool */
  setCookie(upstream: Upstream, isSecure: boolean): string | undefined;
}

/** The cookie of one request. */
export class StickyRequest {
  readonly #sticky: Sticky;
  readonly #request: FilteredRequest;
  readonly #named: Upstream | undefined;
  /** Whether the named upstream was chosen last. */
  #isHeld = false;
  #isFull = false;

  constructor(sticky: Sticky, request: FilteredRequest) {
    this.#sticky = sticky;
    this.#request = request;
    const cookies = request.head.header("cookie");
    if (cookies === undefined) return;
    const value = cookieOf(cookies, sticky.cookieName);
    request.hideCookie(sticky.cookieName);
    this.#named = value === undefined ? undefined : sticky.upstreamOf(value);
  }

  /** Whether the request is with the upstream that its cookie names: then it is not hedged elsewhere. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** @returns the upstream that the cookie names, if it takes the request now */
  select(pool: Pool): Upstream | undefined {
    const named = this.#named;
    const fitness = named && pool.fitnessForClient(named, this.#sticky.keepsWhileDraining);
    this.#isHeld = fitness === "fit";
    this.#isFull = fitness === "full";
    return this.#isHeld ? named : undefined;
  }

  /** Called with the upstream whose response the client gets. @returns the value of a Set-Cookie field, if it needs one */
  responded(upstream: Upstream): string | undefined {
    const isKept = upstream === this.#named;
    this.#request.sticky = isKept ? "kept" : this.#isFull ? "full" : this.#named ? "moved" : "new";
    if (isKept || this.#isFull) return undefined;
    return this.#sticky.setCookie(upstream, isSecureClient(this.#request.head));
  }
}
