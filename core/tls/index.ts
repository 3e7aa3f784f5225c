/** Certificates that a server shows: read, checked and compared with the address under which people call it. */

export { covers, readCertificate, type Certificate, type CertificateFiles } from './certificate.ts'
