import type { CertificateOutcome } from '../certificates/certificate-service.ts';
import type { Instruments } from './instruments.ts';

/** What became of requests for certificates, under istiod's names (security/pkg/server/ca/monitoring.go). */
export class CertificateMetrics {
  readonly #asked;
  readonly #unknown;
  readonly #signed;
  readonly #errors;

  constructor(instruments: Instruments) {
    this.#asked = instruments.counter('citadel_server_csr_count', 'Requests for certificates');
    this.#unknown = instruments.counter(
      'citadel_server_authentication_failure_count',
      'Requests for certificates of callers that nobody knows',
    );
    this.#signed = instruments.counter('citadel_server_success_cert_issuance_count', 'Certificates that were signed');
    this.#errors = instruments.counter(
      'citadel_server_csr_sign_err_count',
      'Requests for certificates that could not be signed, by what was wrong',
      'error',
    );
  }

  /** A certificate was asked for. */
  asked(outcome: CertificateOutcome): void {
    this.#asked.inc();
    if (outcome === 'signed') this.#signed.inc();
    else if (outcome === 'unknown') this.#unknown.inc();
    else this.#errors.inc({ error: outcome });
  }
}
