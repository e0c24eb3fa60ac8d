import com.azure.core.credential.AccessToken;
import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.core.exception.HttpResponseException;
import com.azure.core.util.BinaryData;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.microsoft.aad.msal4j.MsalServiceException;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Asks azure-identity for one token and prints the outcome as a line of JSON (see ../README.md). */
public final class Client {
    private static final Set<String> OPTIONS =
            Set.of("--credential", "--client-id", "--object-id", "--resource-id", "--scope", "--deadline");

    private final Map<String, String> options;
    private final long deadlineMillis;

    private Client(Map<String, String> options) {
        this.options = options;
        this.deadlineMillis = Math.round(Double.parseDouble(options.getOrDefault("--deadline", "120")) * 1000);
        long identities = Stream.of("--client-id", "--object-id", "--resource-id").filter(options::containsKey).count();
        require(identities <= 1, "--client-id, --object-id and --resource-id exclude one another");
        require(Set.of("managed-identity", "default").contains(kind()), "--credential is managed-identity or default");
        require(kind().equals("managed-identity") || !options.containsKey("--object-id"),
                "DefaultAzureCredential takes no object id");
    }

    public static void main(String[] arguments) {
        Client client = null;
        try {
            client = new Client(parse(arguments));
        } catch (IllegalArgumentException error) {
            System.err.println("client: " + error.getMessage());
            System.exit(64);
        }
        long start = System.nanoTime();
        Map<String, Object> outcome = client.outcome();
        outcome.put("elapsed_ms", TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
        System.out.println(BinaryData.fromObject(outcome));
        System.out.flush();
        // Not exit: threads of the SDK may still be at work.
        Runtime.getRuntime().halt(Boolean.TRUE.equals(outcome.get("ok")) ? 0 : 1);
    }

    private static Map<String, String> parse(String[] arguments) {
        require(arguments.length % 2 == 0, "every option takes a value");
        Map<String, String> options = new LinkedHashMap<>();
        for (int i = 0; i < arguments.length; i += 2) {
            require(OPTIONS.contains(arguments[i]), "there is no option " + arguments[i]);
            options.put(arguments[i], arguments[i + 1]);
        }
        return options;
    }

    private static void require(boolean held, String message) {
        if (!held) {
            throw new IllegalArgumentException(message);
        }
    }

    private Map<String, Object> outcome() {
        var worker = Executors.newSingleThreadExecutor();
        try {
            return worker.submit(this::ask).get(deadlineMillis, TimeUnit.MILLISECONDS);
        } catch (TimeoutException late) {
            return refused("DeadlineExceeded", "no outcome after " + deadlineMillis / 1000.0 + " s");
        } catch (Exception error) {
            return refused(error.getClass().getSimpleName(), error.getMessage());
        }
    }

    private Map<String, Object> ask() {
        String scope = options.getOrDefault("--scope", "https://management.azure.com/.default");
        try {
            return granted(credential().getTokenSync(new TokenRequestContext().addScopes(scope)));
        } catch (RuntimeException error) {
            Map<String, Object> outcome = refused(error.getClass().getSimpleName(), messages(error));
            putKnown(outcome, "status", status(error));
            return outcome;
        }
    }

    private TokenCredential credential() {
        return kind().equals("default") ? defaultCredential() : managedIdentity();
    }

    private TokenCredential defaultCredential() {
        var builder = new DefaultAzureCredentialBuilder();
        if (options.containsKey("--client-id")) {
            builder.managedIdentityClientId(options.get("--client-id"));
        }
        if (options.containsKey("--resource-id")) {
            builder.managedIdentityResourceId(options.get("--resource-id"));
        }
        return builder.build();
    }

    private TokenCredential managedIdentity() {
        return new ManagedIdentityCredentialBuilder()
                .clientId(options.get("--client-id"))
                .objectId(options.get("--object-id"))
                .resourceId(options.get("--resource-id"))
                .build();
    }

    private String kind() {
        return options.getOrDefault("--credential", "managed-identity");
    }

    private static Map<String, Object> granted(AccessToken token) {
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("ok", true);
        outcome.put("token", token.getToken());
        outcome.put("expires_on", token.getExpiresAt().toEpochSecond());
        putKnown(outcome, "claims", claims(token.getToken()));
        return outcome;
    }

    private static Map<String, Object> refused(String errorClass, String message) {
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("ok", false);
        outcome.put("error_class", errorClass);
        outcome.put("message", String.valueOf(message));
        return outcome;
    }

    private static void putKnown(Map<String, Object> outcome, String name, Object value) {
        if (value != null) {
            outcome.put(name, value);
        }
    }

    private static Object claims(String token) {
        String[] parts = token.split("\\.");
        try {
            return parts.length == 3
                    ? BinaryData.fromBytes(Base64.getUrlDecoder().decode(parts[1])).toObject(Map.class)
                    : null;
        } catch (RuntimeException notJson) {
            return null;
        }
    }

    /** What a stack trace in a log would tell: the SDK's own message sends one to the cause. */
    private static String messages(Throwable error) {
        return Stream.iterate(error, Objects::nonNull, Throwable::getCause)
                .map(Throwable::getMessage)
                .filter(Objects::nonNull)
                .collect(Collectors.joining(": "));
    }

    /** The SDK wraps errors in errors: the first in the chain that carries an HTTP answer has it. */
    private static Integer status(Throwable error) {
        for (Throwable inner = error; inner != null; inner = inner.getCause()) {
            if (inner instanceof HttpResponseException http && http.getResponse() != null) {
                return http.getResponse().getStatusCode();
            }
            if (inner instanceof MsalServiceException msal && msal.statusCode() != null) {
                return msal.statusCode();
            }
        }
        return null;
    }
}
