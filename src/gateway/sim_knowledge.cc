#include "gateway/sim_knowledge.h"

namespace sentinel::gateway {
namespace {

constexpr Knowledge kKnowledge[] = {
    {"travel bookings", "Which class may employees book for business flights?",
     "Employees may book economy class for business flights under six hours. Business class may be booked for flights "
     "of six hours or more with approval from a director. All flights must be booked through the travel portal at "
     "least fourteen days in advance."},
    {"hotel expenses", "What is the nightly limit for hotel expenses?",
     "The nightly limit for hotel expenses is 180 dollars in most cities. In New York, London and Tokyo the nightly "
     "limit is 260 dollars. Breakfast is included in the hotel limit and may not be claimed again."},
    {"meal allowance", "How much is the daily meal allowance while travelling?",
     "The daily meal allowance while travelling is 65 dollars. Receipts are required for every meal above 25 dollars. "
     "Alcohol is not covered by the meal allowance."},
    {"expense reports", "When do expense reports have to be submitted?",
     "Expense reports have to be submitted within 30 days after the trip ends. Reports submitted later need approval "
     "from the finance team. Approved expenses are paid with the next monthly salary."},
    {"refund period", "How many days do customers have to request a refund?",
     "Customers have 30 days after delivery to request a refund. The item must be unused and in its original "
     "packaging. Refunds are paid to the original payment method within five business days."},
    {"refund of digital goods", "Can a digital download be refunded?",
     "A digital download can be refunded only if it has not been downloaded or activated. Requests must be made within "
     "14 days of the purchase. Gift cards are never refunded."},
    {"damaged items", "What should a customer do when an item arrives damaged?",
     "When an item arrives damaged the customer should send a photo of the damage within 48 hours. We then send a "
     "replacement free of charge. The damaged item does not have to be returned if its value is below 50 dollars."},
    {"exchange of sizes", "How can I exchange a shirt for another size?",
     "A shirt can be exchanged for another size within 30 days. Print the exchange label from your account and send "
     "the shirt back. The new size ships as soon as the returned shirt is scanned by the carrier."},
    {"standard shipping", "How long does standard shipping take?",
     "Standard shipping takes three to five business days within the country. Orders above 40 dollars ship free with "
     "standard shipping. Orders placed before noon leave the warehouse on the same day."},
    {"express shipping", "What does express shipping cost and how fast is it?",
     "Express shipping costs 12 dollars and arrives on the next business day. Express orders must be placed before 3 "
     "pm. Express shipping is not available for furniture or islands."},
    {"international shipping", "Do you ship internationally and who pays customs duties?",
     "We ship internationally to 42 countries with a delivery time of seven to twelve business days. Customs duties "
     "are paid by the customer on delivery. International orders above 150 dollars ship free."},
    {"parcel tracking", "How can I track my parcel?",
     "You can track your parcel with the tracking number in the shipping confirmation e-mail. Tracking information "
     "appears within 24 hours after the parcel is handed to the carrier. If tracking shows no movement for five days, "
     "contact support."},
    {"address changes", "Can the delivery address be changed after ordering?",
     "The delivery address can be changed until the order is packed, usually within two hours after ordering. "
     "Afterwards the carrier can redirect the parcel for a fee of 4 dollars. The billing address can be changed in the "
     "account at any time."},
    {"password reset", "How do I reset my password?",
     "To reset your password choose Forgot password on the sign-in page and enter your e-mail address. The reset link "
     "in the e-mail is valid for 60 minutes. After five wrong attempts the account is locked for 15 minutes."},
    {"two-factor sign-in", "How do I turn on two-factor sign-in?",
     "Two-factor sign-in is turned on under Settings, Security. You can use an authenticator app or a hardware key as "
     "the second factor. Keep the ten recovery codes in a safe place because support cannot restore them."},
    {"account deletion", "How can I delete my account and data?",
     "You can delete your account and data under Settings, Privacy, Delete account. Deletion takes effect after 14 "
     "days and cannot be undone. Invoices are kept for ten years because the tax law requires it."},
    {"subscription cancellation", "How do I cancel my subscription?",
     "A subscription can be cancelled at any time under Billing, Cancel subscription. The subscription stays active "
     "until the end of the paid month. Yearly subscriptions are refunded for the unused full months."},
    {"plan upgrade", "What happens to billing when I upgrade my plan?",
     "When you upgrade your plan the price difference is billed for the rest of the month. The new limits apply "
     "immediately after the upgrade. A downgrade takes effect at the start of the next month."},
    {"invoices", "Where can I find my invoices?",
     "Invoices can be found under Billing, Invoices, as PDF files. A new invoice is created on the first day of every "
     "month. A VAT number can be added before the invoice is created, not afterwards."},
    {"payment methods", "Which payment methods are accepted?",
     "We accept credit cards, bank transfer and PayPal as payment methods. Bank transfer is accepted for orders above "
     "100 dollars. A failed payment is tried again after three days before the order is cancelled."},
    {"warranty", "How long is the warranty on the coffee machine?",
     "The warranty on the coffee machine is two years from the date of purchase. It covers defects in material and "
     "manufacture, but not limescale damage. Keep the receipt, because it is needed for every warranty claim."},
    {"descaling the coffee machine", "How often should the coffee machine be descaled?",
     "The coffee machine should be descaled every three months or after 300 cups. Use the descaling tablets and run "
     "the cleaning programme twice. The orange lamp goes out when descaling is complete."},
    {"battery life of the headphones", "How long does the battery of the headphones last?",
     "The battery of the headphones lasts 30 hours with noise cancelling switched on. A charge of ten minutes gives "
     "five hours of playback. A full charge takes two hours with the USB-C cable."},
    {"pairing the headphones", "How do I pair the headphones with a second phone?",
     "To pair the headphones with a second phone hold the power button for seven seconds until the light blinks blue. "
     "Select the headphones in the Bluetooth menu of the phone. The headphones remember eight devices and connect to "
     "two at once."},
    {"waterproof watch", "Is the watch waterproof?",
     "The watch is waterproof to 50 metres and can be worn while swimming. It is not suitable for diving or hot tubs. "
     "Rinse the watch with fresh water after swimming in the sea."},
    {"robot vacuum errors", "What does error E4 on the robot vacuum mean?",
     "Error E4 on the robot vacuum means that the main brush is blocked. Switch the robot off, remove the brush and "
     "cut away hair and threads. Error E4 disappears when the start button is pressed again."},
    {"holiday entitlement", "How many days of holiday do full-time employees have?",
     "Full-time employees have 28 days of holiday a year. Up to five unused days may be carried over until the end of "
     "March. Holiday must be requested in the HR portal two weeks in advance."},
    {"sick leave", "When is a doctor's certificate needed for sick leave?",
     "A doctor's certificate is needed for sick leave from the fourth day. Sick employees inform their manager before "
     "9 am on the first day. Sick leave does not reduce the holiday entitlement."},
    {"parental leave", "How much parental leave is paid?",
     "Sixteen weeks of parental leave are paid in full for every parent. The leave may be taken within two years after "
     "the birth or adoption. Parental leave is requested eight weeks in advance."},
    {"remote work", "How many days a week can be worked remotely?",
     "Up to three days a week can be worked remotely. Tuesday and Thursday are office days for every team. Working "
     "from another country is possible for 20 days a year with approval from HR."},
    {"laptop replacement", "When is a company laptop replaced?",
     "A company laptop is replaced after 36 months or when repair costs more than 400 dollars. The replacement is "
     "ordered through the IT service desk. Data on the old laptop is erased before it is recycled."},
    {"lost laptop", "What must I do when a company laptop is lost?",
     "A lost company laptop must be reported to the security desk within one hour. The security desk locks the laptop "
     "and resets the passwords. A police report is required if the laptop was stolen."},
    {"guest network", "How do visitors get access to the guest network?",
     "Visitors get access to the guest network with a code from the reception desk. The code is valid for 24 hours. "
     "The guest network has no access to internal systems."},
    {"meeting rooms", "How are meeting rooms booked and released?",
     "Meeting rooms are booked in the calendar for at most four hours. A room is released if nobody checks in within "
     "ten minutes. The large conference room needs approval from the office team."},
    {"security incidents", "Who has to be informed about a phishing e-mail?",
     "The security team has to be informed about a phishing e-mail with the Report button. Do not open links or "
     "attachments of the e-mail. If a password was entered, it must be changed immediately."},
    {"data retention", "How long is customer data kept?",
     "Customer data is kept for three years after the last order. Support conversations are kept for twelve months. "
     "Log files with IP addresses are deleted after 30 days."},
    {"purchase approvals", "Who approves purchases above 5,000 dollars?",
     "Purchases above 5,000 dollars are approved by the head of department and the finance team. Purchases above "
     "50,000 dollars also need approval from the chief financial officer. Three offers are required for purchases "
     "above 20,000 dollars."},
    {"service hours", "When can customers reach support by telephone?",
     "Customers can reach support by telephone from 8 am to 8 pm on weekdays. On Saturdays support is reached from 9 "
     "am to 2 pm. Outside these hours the chat assistant answers and opens a ticket."},
    {"loyalty points", "How are loyalty points earned and when do they expire?",
     "Customers earn one loyalty point for every dollar spent. One hundred points are worth a voucher of five dollars. "
     "Loyalty points expire 18 months after they were earned."},
    {"train journey", "If a train travels 60 kilometres an hour for two and a half hours, how far does it travel?",
     "The distance a train travels is its speed multiplied by the time. A train with a speed of 60 kilometres an hour "
     "travels 60 kilometres in one hour. In two and a half hours it travels 60 times 2.5, which is 150 kilometres."},
};

}  // namespace

std::span<const Knowledge> sim_knowledge() { return kKnowledge; }

}  // namespace sentinel::gateway
