/** What can go wrong when a running task asks for something, sorted by what the task can do about it. */

/** Anything a task asked for and did not get. The message names the cause and the cure. */
export class LeaseholdError extends Error {
  constructor(message, code = "refused") {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The task did not declare what it asked for: declare it where the DAG is written, and deploy. */
export class UndeclaredError extends LeaseholdError {
  constructor(message) {
    super(message, "not_declared");
  }
}

/** The site that runs the task was not granted what it asked for: an admin can grant it. */
export class NotGrantedError extends LeaseholdError {
  constructor(message) {
    super(message, "not_granted");
  }
}

/** There is no such connection, variable or XCom. */
export class NotFoundError extends LeaseholdError {
  constructor(message) {
    super(message, "not_found");
  }
}

/** Nobody could answer within the time allowed. Trying again later may help. */
export class UnavailableError extends LeaseholdError {
  constructor(message) {
    super(message, "unavailable");
  }
}

/** What the task waited for did not happen in time. The author decides what that means. */
export class WaitTimedOut extends LeaseholdError {
  constructor(message) {
    super(message, "timed_out");
  }
}

/** The request can never succeed as it is: too large, of the wrong shape, or not known to this agent. */
export class RefusedError extends LeaseholdError {}

const BY_CODE = {
  not_declared: UndeclaredError,
  not_granted: NotGrantedError,
  not_found: NotFoundError,
  unavailable: UnavailableError,
};
const BY_STATUS = { 404: NotFoundError, 503: UnavailableError, 504: UnavailableError };

/** Return the error that an answer of the attempt host stands for. */
export function fromAnswer(what, status, problem) {
  const told = problem !== null && typeof problem === "object" ? problem : {};
  const text = told.detail ?? told.title ?? `${what} was answered with status ${status}`;
  const Kind = BY_CODE[told.code] ?? BY_STATUS[status] ?? RefusedError;
  return new Kind(String(text));
}
