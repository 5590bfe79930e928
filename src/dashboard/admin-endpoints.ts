/** The admin APIs that a dashboard may ask: one balancer, or several of a fleet, of which it reads the one that responds. */

import { exchangeWeb, type WebRequest, type WebResponse } from "../client/http-client.ts";

export interface EndpointRequest extends Omit<WebRequest, "url"> {
  /** Relative to the address of the admin API, encoded. */
  readonly path: string;
}

/**
 * Stays with a balancer until it does not respond: charts, events and counters are those of one balancer, and would be mixed by
 * asking in turn.
 */
export class AdminEndpoints {
  readonly #urls: readonly string[];
  #current: string;

  /** @param first asked first; the others when it does not respond */
  constructor(first: string, others: readonly string[] = []) {
    this.#urls = [...new Set([first, ...others])];
    this.#current = first;
  }

  /** The address of the balancer that is asked now. */
  get current(): string {
    return this.#current;
  }

  urlOf(path: string, base = this.#current): URL {
    return new URL(path, base.endsWith("/") ? base : `${base}/`);
  }

  /**
   * A query that gets no response is put to the next balancer. Nothing else is: the one that was asked may have carried it out.
   * Rejects with the error of the balancer that was asked first.
   */
  async exchange({ path, ...request }: EndpointRequest): Promise<WebResponse> {
    const asked = this.#current;
    try {
      return await exchangeWeb({ ...request, url: this.urlOf(path, asked) });
    } catch (error) {
      if (request.method !== "GET") throw error;
      for (const other of this.#othersThan(asked)) {
        try {
          const response = await exchangeWeb({ ...request, url: this.urlOf(path, other) });
          if (this.#current === asked) this.#current = other;
          return response;
        } catch {
          // The next one may respond.
        }
      }
      throw error;
    }
  }

  /** All others, from the one that is asked now on: another query may have found it already. */
  #othersThan(asked: string): readonly string[] {
    const start = this.#urls.indexOf(this.#current);
    return [...this.#urls.slice(start), ...this.#urls.slice(0, start)].filter((url) => url !== asked);
  }
}
