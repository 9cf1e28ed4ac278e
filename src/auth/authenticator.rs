//! Who may do what, asked once a request by `http/`.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::credentials::Credentials;
use super::password_file::PasswordFile;
use super::throttle::{Throttle, network_of};
use super::{Action, AuthError, Denied, Policy, SetPassword, UserName};
use crate::cores;

/// Queues for addresses that wait for a hash. Two addresses that share one wait for each other, and that is all.
const QUEUES: usize = 64;

/// Answers whether a request may do what it wants. Cloning is cheap and shares everything.
#[derive(Clone)]
pub struct Authenticator {
    policy: Policy,
    naming: &'static str,
    desk: Option<Arc<Desk>>,
}

/// Where passwords are checked.
struct Desk {
    file: PasswordFile,
    throttle: Throttle,
    /// One permit each: an address, however many connections it opens, has one password checked at a time.
    queues: Vec<Arc<Semaphore>>,
    queue_hasher: RandomState,
    /// One permit: of all addresses that tried a wrong password lately, one at a time stands in a queue, so that guesses from
    /// hundreds of addresses do not hold up the first login of another.
    suspects: Arc<Semaphore>,
    /// As many hash at once as half of the cores; the rest go on serving.
    hashers: Arc<Semaphore>,
}

impl Authenticator {
    /// Reads the password file, if there is one; `naming` tells how to name one: "set `passwords`". Blocks.
    ///
    /// # Errors
    /// A file that is missing, unreadable, or has a malformed line.
    pub fn open(policy: Policy, passwords: Option<PathBuf>, naming: &'static str) -> Result<Self, AuthError> {
        let file = passwords.map(PasswordFile::open).transpose()?;
        let desk = file.map(Desk::new).map(Arc::new);
        Ok(Self { policy, naming, desk })
    }

    /// The same under another policy, with the password file read again, or another one. Malformed lines are logged by
    /// number, and the good ones work; what cannot be read of the same file leaves its last reading in force. Blocks.
    ///
    /// # Errors
    /// Another file that is missing or unreadable.
    pub fn reopen(&self, policy: Policy, passwords: Option<PathBuf>) -> Result<Self, AuthError> {
        let desk = match (&self.desk, passwords) {
            (_, None) => None,
            (Some(desk), Some(path)) if desk.file.path() == path => {
                desk.file.reload();
                Some(Arc::clone(desk))
            }
            (_, Some(path)) => Some(Arc::new(Desk::new(PasswordFile::open_good_lines(path)?))),
        };
        Ok(Self {
            policy,
            naming: self.naming,
            desk,
        })
    }

    /// Whether `action` asks for a password.
    pub fn asks_for_password(&self, action: Action) -> bool {
        self.policy.protects(action)
    }

    /// Whether the index or the files ask for a password.
    pub fn asks_readers_for_password(&self) -> bool {
        [Action::List, Action::Download]
            .into_iter()
            .any(|action| self.asks_for_password(action))
    }

    /// The password file, if nobody is in it.
    pub fn without_user(&self) -> Option<&Path> {
        let file = &self.desk.as_ref()?.file;
        file.current().passwords.is_empty().then(|| file.path())
    }

    /// Whether `peer` may do `action`, given the value of its `Authorization` header. Returns who it is, or `None` if
    /// `action` asks for no password; the header is not looked at then, as clients send one with every request.
    ///
    /// # Errors
    /// [`Denied`], unless it may.
    pub async fn check(
        &self,
        action: Action,
        authorization: Option<&[u8]>,
        peer: IpAddr,
    ) -> Result<Option<UserName>, Denied> {
        if !self.asks_for_password(action) {
            return Ok(None);
        }
        let desk = self.desk.as_ref().ok_or(Denied::NoPasswordFile(self.naming))?;
        if desk.has_no_user().await {
            return Err(Denied::NoUser);
        }
        let credentials = Credentials::from_header(authorization.ok_or(Denied::CredentialsMissing)?)?;
        if desk.knows(&credentials, peer).await {
            return Ok(Some(credentials.user));
        }
        desk.verify(credentials, peer).await.map(Some)
    }
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Desk {
    fn new(file: PasswordFile) -> Self {
        Self {
            file,
            throttle: Throttle::default(),
            queues: (0..QUEUES).map(|_| Arc::new(Semaphore::new(1))).collect(),
            queue_hasher: RandomState::new(),
            suspects: Arc::new(Semaphore::new(1)),
            hashers: Arc::new(Semaphore::new(cores::count().div_ceil(2))),
        }
    }

    /// Whether nobody is in the file, not even now.
    async fn has_no_user(self: &Arc<Self>) -> bool {
        let is_empty = |desk: &Self| desk.file.current().passwords.is_empty();
        if is_empty(self) {
            self.look().await;
        }
        is_empty(self)
    }

    /// Reads the file again if it changed.
    async fn look(self: &Arc<Self>) {
        let desk = Arc::clone(self);
        // A look that panics leaves the last reading in force.
        spawn_blocking(move || desk.file.refresh()).await.ok();
    }

    /// Whether the credentials were found right before, from this address, in a file that has not changed since.
    async fn knows(self: &Arc<Self>, credentials: &Credentials, peer: IpAddr) -> bool {
        if !self.file.was_looked_at_lately() {
            self.look().await;
        }
        self.file.current().verified.contains(credentials, peer)
    }

    /// Waits for the address' turn, then checks the password.
    async fn verify(self: &Arc<Self>, credentials: Credentials, peer: IpAddr) -> Result<UserName, Denied> {
        self.admit(peer)?;
        let gate = self.gate(peer).await;
        let queue = Arc::clone(self.queue_of(peer));
        let turn = queue.acquire_owned().await.expect("nobody closes the queues");
        // While this one waited, the same client may have logged in on another connection, or failed too often.
        if self.file.current().verified.contains(&credentials, peer) {
            return Ok(credentials.user);
        }
        self.admit(peer)?;
        let hasher = Arc::clone(&self.hashers)
            .acquire_owned()
            .await
            .expect("nobody closes the hashers");
        self.throttle.charge(peer, Instant::now());
        let desk = Arc::clone(self);
        // The permits go along, because a client that hangs up does not end the hashing.
        let verdict = spawn_blocking(move || {
            let _held = (gate, turn, hasher);
            desk.verify_now(credentials, peer)
        });
        verdict.await.unwrap_or_else(|error| {
            tracing::error!(%error, "checking a password failed");
            Err(Denied::WrongPassword)
        })
    }

    /// Lets a suspect wait for other suspects first; None: it is none.
    async fn gate(&self, peer: IpAddr) -> Option<OwnedSemaphorePermit> {
        if !self.throttle.is_suspect(peer, Instant::now()) {
            return None;
        }
        let suspects = Arc::clone(&self.suspects);
        Some(suspects.acquire_owned().await.expect("nobody closes the gate"))
    }

    /// Whether the address has not tried too many wrong passwords.
    fn admit(&self, peer: IpAddr) -> Result<(), Denied> {
        match self.throttle.retry_after(peer, Instant::now()) {
            Some(wait) => Err(Denied::Throttled {
                retry_after: in_whole_seconds(wait),
            }),
            None => Ok(()),
        }
    }

    /// Checks the password against the file as it is now. Blocks.
    fn verify_now(&self, credentials: Credentials, peer: IpAddr) -> Result<UserName, Denied> {
        self.file.refresh();
        let generation = self.file.current();
        let user = &credentials.user;
        if !generation.passwords.verify(user, &credentials.password) {
            // An unknown user name stays out of the log: people type their password there.
            let user = generation.passwords.contains(user).then(|| user.as_str());
            tracing::warn!(%peer, user, "a wrong user name or password");
            return Err(Denied::WrongPassword);
        }
        self.throttle.refund(peer, Instant::now());
        let is_first_login = generation.verified.insert(&credentials, peer);
        if is_first_login && generation.passwords.is_legacy(user) {
            let remedy = SetPassword {
                user: user.as_str(),
                file: self.file.path(),
            };
            tracing::warn!(%user, "the password is kept as an old, weak hash: renew it with {remedy}");
        }
        Ok(credentials.user)
    }

    /// The queue of the address; an IPv6 network of 64 bits has one.
    fn queue_of(&self, peer: IpAddr) -> &Arc<Semaphore> {
        let hash = match peer.to_canonical() {
            IpAddr::V4(address) => self.queue_hasher.hash_one(address),
            IpAddr::V6(address) => self.queue_hasher.hash_one(network_of(address)),
        };
        &self.queues[hash as usize % QUEUES]
    }
}

/// Rounded up, as `Retry-After` (RFC 9110, section 10.2.3) tells no fractions.
fn in_whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests;
