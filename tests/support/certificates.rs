//! Certificates of service principals, with their keys, in PEM files. Every key that is made here is known to the search from then on.

use std::path::Path;
use std::process::Command;

use super::canary::PrivateKey;
use super::provision;

/// A new certificate with its key, as `az ad sp create-for-rbac --create-cert` leaves it.
pub(crate) fn make_certificate(path: &Path) -> String {
    let script = "import sys, datetime\n\
        from cryptography import x509\n\
        from cryptography.x509.oid import NameOID\n\
        from cryptography.hazmat.primitives import hashes, serialization\n\
        from cryptography.hazmat.primitives.asymmetric import rsa\n\
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)\n\
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'CLI-Login')])\n\
        now = datetime.datetime.now(datetime.timezone.utc)\n\
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())\n\
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))\n\
        made = made.not_valid_after(now + datetime.timedelta(days=365))\n\
        made = made.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)\n\
        made = made.sign(key, hashes.SHA256())\n\
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())\n\
        open(sys.argv[1], 'wb').write(private + made.public_bytes(serialization.Encoding.PEM))\n";
    let python = provision::real_az().with_file_name("python");
    let status = Command::new(python).args(["-c", script]).arg(path).status();
    assert!(status.is_ok_and(|status| status.success()), "az's Python makes a certificate");
    let pem = std::fs::read_to_string(path).unwrap();
    PrivateKey::note(path, &pem);
    pem
}
