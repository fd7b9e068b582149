#pragma once
// For tests: certificates made on the spot.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <csignal>
#include <memory>
#include <string>

namespace sentinel::net {

// OpenSSL's sockets write without MSG_NOSIGNAL: a client that has gone would end the tests. Asio's, in the product, do
// not.
inline const auto kSigpipeBefore = std::signal(SIGPIPE, SIG_IGN);

template <class T, void (*Free)(T*)>
struct OpensslDeleter {
  void operator()(T* value) const { Free(value); }
};
using TestKey = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY, EVP_PKEY_free>>;
using TestCertificate = std::unique_ptr<X509, OpensslDeleter<X509, X509_free>>;

// Self-signed, so that it is its own authority. Authorities that are trusted together need names of their own.
inline TestCertificate make_certificate(EVP_PKEY* key, const std::string& alt_name,
                                        const std::string& name_text = "test") {
  TestCertificate certificate(X509_new());
  X509* x = certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 24 * 3600);
  X509_set_pubkey(x, key);
  X509_NAME* name = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name_text.c_str()), -1,
                             -1, 0);
  X509_set_issuer_name(x, name);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alt_name.c_str());
  X509_add_ext(x, extension, -1);
  X509_EXTENSION_free(extension);
  X509_sign(x, key, EVP_sha256());
  return certificate;
}

inline std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<size_t>(size));
  BIO_free(bio);
  return out;
}

inline std::string pem_of(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(bio, certificate);
  return bio_text(bio);
}

inline std::string pem_of(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  return bio_text(bio);
}

}  // namespace sentinel::net
