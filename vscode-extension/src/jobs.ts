// Jobs of the server as promises: a verb is started by a request and over with its last event.
import type { JobEvent, JobStarted, Outcome, Plan } from "./protocol.gen";

/** How a job ended, and the plan it made on the way, if it made one. */
export interface Ended {
  outcome: Outcome;
  plan: Plan | undefined;
}

export class Jobs {
  readonly #ended = new Map<number, Ended>();
  readonly #plans = new Map<number, Plan>();
  readonly #waiting = new Map<number, (ended: Ended) => void>();

  /** Takes in an event. */
  take({ job, event }: JobEvent): void {
    if (event.kind === "planned") this.#plans.set(job, event.plan);
    if (event.kind !== "finished") return;
    const ended = { outcome: event.outcome, plan: this.#plans.get(job) };
    this.#plans.delete(job);
    const waiting = this.#waiting.get(job);
    if (waiting) {
      this.#waiting.delete(job);
      waiting(ended);
    } else {
      // The last event may be here before the answer to the request that started the job.
      this.#ended.set(job, ended);
    }
  }

  /** Waits for the end of a job. */
  async end(started: JobStarted): Promise<Ended> {
    const ended = this.#ended.get(started.job);
    this.#ended.delete(started.job);
    if (ended) return ended;
    return new Promise((resolve) => this.#waiting.set(started.job, resolve));
  }

  /** The server has gone, and all jobs with it. */
  lose(): void {
    const outcome: Outcome = {
      kind: "failed",
      code: "server-lost",
      message: "the language server stopped while the job ran",
      hint: "see the log",
    };
    for (const waiting of this.#waiting.values()) waiting({ outcome, plan: undefined });
    this.#waiting.clear();
    this.#ended.clear();
    this.#plans.clear();
  }
}
